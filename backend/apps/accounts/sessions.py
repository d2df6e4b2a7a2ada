"""How long a staff session lasts: an absolute end, and an end when nothing is done."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from apps.accounts.admin_places import staff_places

# Django's own keys of a login begin alike; they go with it.
BEGAN_AT_S = "_auth_user_began_at_s"
HAD_A_SITE = "_auth_user_had_a_site"
# Not each click is written: the row would be the busiest of the table.
SEEN_STEP_S = 60


class StaffSessionMiddleware:
    """Ends a login that is too old, and keeps one that is used; requests without its cookie are not looked at.

    The row's own end is the end of idleness (SESSION_COOKIE_AGE), which Django asks for whenever it reads one.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.SESSION_COOKIE_NAME in request.COOKIES and SESSION_KEY in request.session:
            if session_is_over(request.session, now_s=int(time.time())):
                logout(request)
            else:
                session_keep(request.session.session_key or "")
        return self.get_response(request)


def session_is_over(session: SessionBase, *, now_s: int) -> bool:
    """Also of a login that does not say when it began."""
    began_at_s = session.get(BEGAN_AT_S)
    return not isinstance(began_at_s, int) or now_s - began_at_s >= settings.STAFF_SESSION_MAX_S


def session_keep(session_key: str) -> None:
    """Move the end of idleness on. Not by saving the session: two clicks at once would undo each other's data."""
    end = timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE)
    worn = Session.objects.filter(
        session_key=session_key, expire_date__lt=end - timedelta(seconds=SEEN_STEP_S)
    )
    worn.update(expire_date=end)


def _begin(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    request.session[BEGAN_AT_S] = int(time.time())
    request.session[HAD_A_SITE] = bool(staff_places(identity_id=UUID(str(user.pk))))


user_logged_in.connect(_begin, dispatch_uid="posx-session-begins")
