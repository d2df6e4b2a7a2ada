"""The admin's login form: the same answer for everybody who does not get in, and a lock-out in words."""

from __future__ import annotations

import ipaddress
import logging
from typing import Any
from uuid import UUID

from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from rest_framework.throttling import BaseThrottle

from apps.accounts.tries import Counter, TriesLocked, try_count, try_succeeded

logger = logging.getLogger("posx.admin.login")

TRIES_A_SUBJECT = 5
TRIES_AN_ADDRESS = 30  # an office shares one address
TRIES_A_FACTOR = 5


class GuardedLoginForm(AdminAuthenticationForm):
    """Counts each try before the password is looked at; ``locked`` is why it was not looked at."""

    locked: TriesLocked | None = None

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError for a wrong name or password, and for a lock-out alike."""
        subject, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if subject is None or not password:
            return dict(self.cleaned_data)
        counters = login_counters(self.request, subject)
        try:
            counted = try_count(counters=counters)
        except TriesLocked as locked:
            self.locked = locked
            log_refusal("locked", counters)
            raise ValidationError(locked.sentence, code="locked") from locked
        try:
            cleaned = super().clean()
        except ValidationError:
            log_refusal("refused", counters)
            raise
        try_succeeded(counted=counted)
        return cleaned


def login_counters(request: HttpRequest | None, subject: str) -> list[Counter]:
    """By name and by address; a form that is checked without a request has no address."""
    named = subject_counter(subject)
    return [named] if request is None else [named, address_counter(address_of(request))]


def subject_counter(subject: str) -> Counter:
    """Names are counted whether or not somebody has them."""
    return Counter("subject", subject, TRIES_A_SUBJECT)


def address_counter(address: str) -> Counter:
    return Counter("address", network_of(address), TRIES_AN_ADDRESS, shared=True)


def factor_counter(identity_id: UUID) -> Counter:
    """Codes of all of a person's devices."""
    return Counter("factor", str(identity_id), TRIES_A_FACTOR)


def address_of(request: HttpRequest) -> str:
    """The client's address; behind Railway's one proxy the one that the proxy saw (NUM_PROXIES)."""
    return str(BaseThrottle().get_ident(request) or "")  # type: ignore[arg-type]  # reads META only


def network_of(address: str) -> str:
    """The address itself, or the /64 of IPv6, which one customer has whole; "" for what is none."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return ""
    return str(parsed if parsed.version == 4 else ipaddress.ip_network((parsed, 64), strict=False))


def log_refusal(how: str, counters: list[Counter]) -> None:
    """Without what was typed: people type passwords into the name's field. The hashes tell tries together."""
    marks = " ".join(f"{counter.kind}={counter.key[:12]}" for counter in counters)
    logger.warning("Admin login %s: %s", how, marks)
