"""The code after the password: set up, asked for, good once, counted, lost."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.admin import site as admin_site
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from django.urls import URLPattern
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.accounts.admin_login import TRIES_A_FACTOR
from apps.accounts.admin_second_factor import CANDIDATE_KEY
from apps.accounts.models import Identity, PlatformEvent
from apps.accounts.second_factor import factor_verify
from tests.admin.rows import entered, platform_admin, staff_of
from tests.factories import make_identity, make_site

pytestmark = pytest.mark.usefixtures("database")
INDEX, VERIFY, SETUP = "/admin/", "/admin/second-factor/", "/admin/second-factor/setup/"


@pytest.fixture
def required(settings: Any) -> None:
    settings.ADMIN_SECOND_FACTOR = "required"


def code_of(key: str, *, steps: int = 0) -> str:
    """What the phone shows, that many half minutes from now."""
    return f"{totp(bytes.fromhex(key), t0=-30 * steps):06d}"


def enrol(client: Client) -> tuple[str, list[str]]:
    """Set a factor up through the pages; (secret in hex, recovery codes)."""
    client.get(SETUP)
    key = client.session[CANDIDATE_KEY]
    codes: list[str] = []
    step = -1
    # The code before the present one, so that the present one is still good; too old when its half minute ends here.
    while not codes and step != int(time.time()) // 30:
        step = int(time.time()) // 30
        page = client.post(SETUP, {"code": code_of(key, steps=-1)}).content.decode()
        codes = re.findall(r"<code>([a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4})</code>", page)
    return key, codes


def with_factor(person: Identity | None = None) -> tuple[Identity, str, list[str]]:
    person = person or staff_of(make_site("NA"))
    key, codes = enrol(entered(person))
    return person, key, codes


def test_without_the_requirement_nobody_is_asked() -> None:
    assert entered(staff_of(make_site("NA"))).get(INDEX).status_code == 200


def test_where_it_is_required_it_is_set_up_first(required: None) -> None:
    client = entered(staff_of(make_site("NA")))
    assert (
        client.get("/admin/tiers/tier/?q=x")["Location"] == f"{SETUP}?next=%2Fadmin%2Ftiers%2Ftier%2F%3Fq%3Dx"
    )
    _key, codes = enrol(client)
    assert len(codes) == 10
    assert client.get(INDEX).status_code == 200
    assert CANDIDATE_KEY not in client.session


def test_the_page_shows_the_secret_three_ways_and_loads_nothing_from_outside() -> None:
    client = entered(make_identity("olga", is_staff=True))
    page = client.get(SETUP).content.decode()
    secret = TOTPDevice(key=client.session[CANDIDATE_KEY], user=Identity(subject="olga")).config_url
    assert "<svg" in page
    assert secret.replace("&", "&amp;") in page
    assert "otpauth://totp/POSX%3Aolga?secret=" in page
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', page)


def test_a_wrong_first_code_sets_nothing_up(required: None) -> None:
    client = entered(staff_of(make_site("NA")))
    client.get(SETUP)
    key = client.session[CANDIDATE_KEY]
    wrong = f"{(int(code_of(key)) + 500_000) % 1_000_000:06d}"
    assert "not right" in client.post(SETUP, {"code": wrong}).content.decode()
    assert not TOTPDevice.objects.exists()
    assert client.session[CANDIDATE_KEY] == key
    assert client.get(INDEX).status_code == 302


def test_a_secret_that_another_session_saw_is_not_the_one_that_is_confirmed() -> None:
    person = staff_of(make_site("NA"))
    seen, own = entered(person), entered(person)
    seen.get(SETUP)
    own.get(SETUP)
    assert seen.session[CANDIDATE_KEY] != own.session[CANDIDATE_KEY]


def test_a_second_device_cannot_be_added_beside_the_first() -> None:
    person = staff_of(make_site("NA"))
    late = entered(person)
    late.get(SETUP)
    key = late.session[CANDIDATE_KEY]
    with_factor(person)
    assert late.post(SETUP, {"code": code_of(key)})["Location"] == VERIFY
    assert TOTPDevice.objects.count() == 1


@pytest.mark.parametrize("policy", ["off", "required"])
def test_whoever_has_a_factor_is_asked_always(policy: str, settings: Any) -> None:
    settings.ADMIN_SECOND_FACTOR = policy
    person, key, _codes = with_factor()
    client = entered(person)
    assert client.get(INDEX)["Location"] == f"{VERIFY}?next=%2Fadmin%2F"
    assert client.get(VERIFY).status_code == 200
    before = client.cookies["sessionid"].value
    assert client.post(VERIFY, {"code": code_of(key), "next": "/admin/site/"})["Location"] == "/admin/site/"
    assert client.cookies["sessionid"].value != before
    assert client.get(INDEX).status_code == 200


def _pages() -> list[str]:
    found = []
    for pattern in admin_site.get_urls():
        nested = getattr(pattern, "url_patterns", [pattern])
        prefix = "" if isinstance(pattern, URLPattern) else str(pattern.pattern)
        for each in nested:
            way = prefix + re.sub(r"<[^>]+>", "1", str(each.pattern))
            if each.name not in ("login", "logout", "second_factor", "second_factor_setup", None):
                found.append(f"/admin/{way}")
    return [way for way in found if "(?P" not in way] + ["/admin/all-sites/", "/admin/all-sites/find/"]


@pytest.mark.isolation("sessions")
def test_no_page_opens_on_the_password_alone() -> None:
    person, _key, _codes = with_factor(platform_admin())
    client = entered(person)
    assert len(_pages()) > 50
    for page in _pages():
        for answer in (client.get(page), client.post(page, {})):
            assert (answer.status_code, answer["Location"][: len(VERIFY)]) == (302, VERIFY), page
    assert client.post("/admin/logout/").status_code == 200


@pytest.mark.isolation("sessions", control=True)
def test_without_the_gate_a_password_would_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    person, _key, _codes = with_factor(platform_admin())
    monkeypatch.setattr("apps.accounts.admin_site.way_to", lambda *_args: None)
    assert entered(person).get(INDEX).status_code == 200


def test_a_code_is_good_once() -> None:
    person, key, _codes = with_factor()
    code = code_of(key)
    assert entered(person).post(VERIFY, {"code": code}).status_code == 302
    again = entered(person).post(VERIFY, {"code": code})
    assert again.status_code == 200
    assert "was used before" in again.content.decode()


def test_a_code_that_is_sent_twice_at_once_is_good_once() -> None:
    person, key, _codes = with_factor()
    code = code_of(key)

    def verify(_: int) -> bool:
        try:
            return factor_verify(identity=person, code=code) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(verify, range(4))) == 1


def test_a_code_of_a_minute_ago_is_too_old() -> None:
    person, key, _codes = with_factor()
    TOTPDevice.objects.update(last_t=-1, drift=0)
    assert entered(person).post(VERIFY, {"code": code_of(key, steps=-3)}).status_code == 200


def test_codes_cannot_be_guessed(caplog: pytest.LogCaptureFixture) -> None:
    person, key, _codes = with_factor()
    client = entered(person)
    for _ in range(TRIES_A_FACTOR):
        assert client.post(VERIFY, {"code": "nonsense"}).status_code == 200
    page = client.post(VERIFY, {"code": code_of(key)})
    assert page.status_code == 429
    assert "Try again in 1 minute" in page.content.decode()
    assert "factor locked" in caplog.text
    # The count is the person's, not the session's.
    assert entered(person).post(VERIFY, {"code": code_of(key)}).status_code == 429


def test_a_recovery_code_is_good_once_and_kept_as_a_hash_only() -> None:
    person, _key, codes = with_factor()
    assert entered(person).post(VERIFY, {"code": codes[0].upper()}).status_code == 302
    assert entered(person).post(VERIFY, {"code": codes[0]}).status_code == 200
    assert entered(person).post(VERIFY, {"code": codes[1].replace("-", " ")}).status_code == 302
    kept = set(StaticToken.objects.values_list("token", flat=True))
    assert len(kept) == 8
    assert not kept & {code.replace("-", "") for code in codes}


def test_new_recovery_codes_want_a_fresh_code_and_end_the_former() -> None:
    person, key, codes = with_factor()
    client = entered(person)
    client.post(VERIFY, {"code": codes[0]})
    assert "9 recovery codes are left" in client.get(SETUP).content.decode()
    assert "not right" in client.post(SETUP, {"code": "000000x"}).content.decode()
    page = client.post(SETUP, {"code": code_of(key)}).content.decode()
    fresh = re.findall(r"<code>([a-z0-9-]{14})</code>", page)
    assert len(fresh) == 10
    assert entered(person).post(VERIFY, {"code": codes[1]}).status_code == 200
    assert entered(person).post(VERIFY, {"code": fresh[0]}).status_code == 302


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_it_sends_nobody_elsewhere(wanted: str) -> None:
    person, key, _codes = with_factor()
    assert entered(person).post(VERIFY, {"code": code_of(key), "next": wanted})["Location"] == INDEX


def reset(client: Client, person: Identity) -> Any:
    sent = {"action": "reset_second_factor", "_selected_action": [str(person.pk)]}
    return client.post("/admin/accounts/identity/", sent, follow=True)


def test_a_platform_administrator_resets_a_lost_factor(required: None) -> None:
    person, _key, _codes = with_factor()
    admin, _their_key, their_codes = with_factor(platform_admin())
    client = entered(admin)
    client.post(VERIFY, {"code": their_codes[0]})
    reset(client, person)
    assert not TOTPDevice.objects.filter(user=person).exists()
    assert entered(person).get(INDEX)["Location"].startswith(SETUP)
    event = PlatformEvent.objects.get()
    assert (event.actor_id, event.action, event.target) == (str(admin.pk), "factor.reset", str(person.pk))


def test_nobody_resets_their_own() -> None:
    admin, _key, codes = with_factor(platform_admin())
    client = entered(admin)
    client.post(VERIFY, {"code": codes[0]})
    assert "Nobody resets their own" in reset(client, admin).content.decode()
    assert TOTPDevice.objects.filter(user=admin).exists()
    assert not PlatformEvent.objects.exists()


def test_staff_of_a_site_reset_nobody_s() -> None:
    person, _key, _codes = with_factor()
    assert reset(entered(staff_of(make_site("ASIA"))), person).status_code == 403
    assert TOTPDevice.objects.filter(user=person).exists()


def test_a_reset_ends_what_was_verified_before(required: None) -> None:
    person = staff_of(make_site("NA"))
    client = entered(person)
    enrol(client)
    assert client.get(INDEX).status_code == 200
    call_command("reset_second_factor", person.subject)
    assert client.get(INDEX)["Location"].startswith(SETUP)


def test_the_command_knows_admin_logins_only() -> None:
    make_identity("buyer")
    with pytest.raises(CommandError):
        call_command("reset_second_factor", "buyer")


def test_the_devices_have_no_page_that_shows_their_secrets() -> None:
    client = entered(platform_admin())
    for page in ("otp_totp/totpdevice/", "otp_static/staticdevice/"):
        assert client.get(f"/admin/{page}").status_code == 404


def test_nobody_who_looks_at_all_sites_can_read_secrets(admin_connection: Any) -> None:
    secret = "{accounts_identity,django_session,otp_totp_totpdevice,otp_static_statictoken,accounts_logintry}"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t FROM unnest(%s::text[]) t WHERE has_table_privilege('posx_auditor', t, 'SELECT')",
            [secret],
        )
        assert cursor.fetchall() == []


def test_time_is_what_the_codes_are_made_of() -> None:
    """The tests' own phone is right, or all of them would prove nothing."""
    key = "3132333435363738393031323334353637383930"  # RFC 6238, appendix B
    assert f"{totp(bytes.fromhex(key), t0=int(time.time()) - 59, digits=8):08d}" == "94287082"
