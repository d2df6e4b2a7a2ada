"""The admin's pages of the second factor: asked for after the password, and set up."""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Callable
from typing import Any
from uuid import UUID

import segno
from django import forms
from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from django_otp import login as remember_device
from django_otp.models import Device

from apps.accounts.admin_login import factor_counter, log_refusal
from apps.accounts.models import Identity
from apps.accounts.second_factor import (
    Step,
    candidate,
    factor_enrol,
    factor_verify,
    is_verified,
    new_key,
    recovery_codes_left,
    recovery_codes_renew,
    step_of,
)
from apps.accounts.tries import TriesLocked, try_count, try_succeeded

# The secret waits in the session and not in a row: whoever only saw it in another session cannot have it confirmed.
CANDIDATE_KEY = "_auth_user_factor_candidate"
VERIFY, SETUP = "second_factor", "second_factor_setup"
Checked = Callable[[str], Any]


class CodeForm(forms.Form):
    """Six digits from the phone, or a recovery code."""

    code = forms.CharField(
        label=gettext_lazy("Code"),
        max_length=32,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false"}
        ),
    )


def way_to(step: Step, request: HttpRequest) -> HttpResponseRedirect | None:
    """Where a person goes who has not done their step; None for whoever may go on."""
    if step is Step.NOTHING:
        return None
    page = reverse(f"admin:{VERIFY if step is Step.VERIFY else SETUP}")
    query = request.GET.copy()
    query.clear()
    query[REDIRECT_FIELD_NAME] = request.get_full_path()
    return HttpResponseRedirect(f"{page}?{query.urlencode()}")


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def verify_page(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """Ask for the code after the password."""
    if step_of(request) is not Step.VERIFY:
        return HttpResponseRedirect(_next(request))
    form, status, wait_s = CodeForm(request.POST or None), 200, None
    if request.method == "POST" and form.is_valid():
        person = _person(request)
        device, status, wait_s = _counted(
            form, person, lambda code: factor_verify(identity=person, code=code)
        )
        if device is not None:
            _remember(request, device)
            return HttpResponseRedirect(_next(request))
    return _page(
        request, site, "admin/second_factor.html", _("Second factor"), status, wait_s, {"form": form}
    )


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
def setup_page(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    """Set a factor up (GET shows its secret, POST its first code), or have new recovery codes."""
    if step_of(request) is Step.VERIFY:
        return HttpResponseRedirect(reverse(f"admin:{VERIFY}"))
    if is_verified(request):
        return _renew_page(request, site)
    return _enrol_page(request, site)


def _enrol_page(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    person, key = _person(request), request.session.get(CANDIDATE_KEY)
    form, status, wait_s = CodeForm(request.POST or None), 200, None
    if request.method == "POST" and isinstance(key, str) and form.is_valid():
        secret = key
        made, status, wait_s = _counted(
            form, person, lambda code: factor_enrol(identity=person, key=secret, code=code)
        )
        if made is not None:
            device, codes = made
            request.session.pop(CANDIDATE_KEY, None)
            _remember(request, device)
            return _codes_page(request, site, codes)
    if not key:
        key = request.session[CANDIDATE_KEY] = new_key()
    device = candidate(identity=person, key=key)
    shown = {"form": form, "uri": device.config_url, "secret": _in_fours(device), "qr": _drawn(device)}
    return _page(
        request, site, "admin/second_factor_setup.html", _("Set up a second factor"), status, wait_s, shown
    )


def _renew_page(request: HttpRequest, site: AdminSite) -> HttpResponseBase:
    person = _person(request)
    form, status, wait_s = CodeForm(request.POST or None), 200, None
    if request.method == "POST" and form.is_valid():
        # A fresh code: who finds an open browser must not walk off with ten keys to it.
        device, status, wait_s = _counted(
            form, person, lambda code: factor_verify(identity=person, code=code)
        )
        if device is not None:
            return _codes_page(request, site, recovery_codes_renew(identity=person))
    shown = {"form": form, "codes_left": recovery_codes_left(identity=person)}
    return _page(request, site, "admin/second_factor_setup.html", _("Second factor"), status, wait_s, shown)


def _codes_page(request: HttpRequest, site: AdminSite, codes: list[str]) -> HttpResponseBase:
    shown = {"codes": codes, "next": _next(request)}
    return _page(request, site, "admin/second_factor_codes.html", _("Recovery codes"), 200, None, shown)


def _counted(form: CodeForm, person: Identity, check: Checked) -> tuple[Any, int, int | None]:
    """(what the check gave, status, seconds to wait); a refusal is in the form."""
    counter = factor_counter(person.pk)
    try:
        counted = try_count(counters=[counter])
    except TriesLocked as locked:
        log_refusal("factor locked", [counter])
        form.add_error(None, locked.sentence)
        return None, 429, locked.wait_s
    found = check(form.cleaned_data["code"])
    if found is None:
        log_refusal("factor refused", [counter])
        form.add_error("code", _("This code is not right, or was used before. Wait for the next one."))
        return None, 200, None
    try_succeeded(counted=counted)
    return found, 200, None


def _remember(request: HttpRequest, device: Device) -> None:
    request.session.cycle_key()  # a session id that was known before the second factor is worth nothing after it
    remember_device(request, device)


def _person(request: HttpRequest) -> Identity:
    return Identity.objects.get(pk=UUID(str(request.user.pk)))


def _next(request: HttpRequest) -> str:
    wanted = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else reverse("admin:index")


def _in_fours(device: Any) -> str:
    """The secret for typing by hand: base32 in groups."""
    secret = b32encode(device.bin_key).decode()
    return " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))


def _drawn(device: Any) -> SafeString:
    """The address as an SVG inside the page: no outside service ever sees a secret."""
    drawn = segno.make(device.config_url, error="m").svg_inline(scale=5, border=4, light="#fff")
    return mark_safe(drawn)  # noqa: S308 - segno's own drawing: numbers only, no text of anybody


def _page(
    request: HttpRequest,
    site: AdminSite,
    template: str,
    title: str,
    status: int,
    wait_s: int | None,
    shown: dict[str, Any],
) -> HttpResponseBase:
    context = {**site.each_context(request), "title": title, "next": _next(request), **shown}
    response = TemplateResponse(request, template, context, status=status)
    if wait_s is not None:
        response["Retry-After"] = str(wait_s)
    return response
