"""Getting into the admin by guessing, and how long a login lasts."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.db import connection, connections, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.accounts import tries
from apps.accounts.admin_login import TRIES_A_SUBJECT, TRIES_AN_ADDRESS, network_of, subject_counter
from apps.accounts.models import Identity, LoginTry, Membership, PlatformEvent, Role
from apps.accounts.sessions import BEGAN_AT_S
from apps.accounts.tries import FIRST_LOCK_S, LONGEST_LOCK_S, Counter, TriesLocked, try_count, try_succeeded
from tests.admin.rows import entered, platform_admin, staff_of
from tests.factories import in_site, make_identity, make_member, make_site
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("database")
LOGIN, INDEX, SECRET = "/admin/login/", "/admin/", "a long enough one"


@pytest.fixture
def olga() -> Identity:
    return make_identity("olga", is_staff=True, password=SECRET)


def log_in(name: str = "olga", password: str = SECRET, client: Client | None = None, **headers: Any) -> Any:
    return (client or Client()).post(
        LOGIN, {"username": name, "password": password, "next": INDEX}, **headers
    )


def fail(times: int, name: str = "olga") -> Any:
    return [log_in(name, "wrong") for _ in range(times)][-1]


def age(*, seconds: int) -> None:
    """Let the lock-outs of all rows be that much older."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_logintry SET locked_until = locked_until - make_interval(secs => %s),"
            " forget_at = forget_at - make_interval(secs => %s)",
            [seconds, seconds],
        )


def locked_s(name: str = "olga") -> int:
    try:
        try_count(counters=[subject_counter(name)])
    except TriesLocked as locked:
        return locked.wait_s
    return 0


def test_the_right_password_is_not_looked_at_during_a_lock_out(olga: Identity) -> None:
    assert fail(TRIES_A_SUBJECT).status_code == 200
    page = log_in()
    assert page.status_code == 429
    assert int(page["Retry-After"]) <= FIRST_LOCK_S
    assert "Too many failed tries. Try again in 1 minute." in page.content.decode()
    assert "sessionid" not in page.cookies


def test_a_lock_out_ends_and_the_next_one_is_longer(olga: Identity) -> None:
    fail(TRIES_A_SUBJECT)
    age(seconds=FIRST_LOCK_S)
    assert fail(1).status_code == 200
    assert FIRST_LOCK_S < int(log_in()["Retry-After"]) <= 2 * FIRST_LOCK_S
    age(seconds=2 * FIRST_LOCK_S)
    assert log_in().status_code == 302


def test_lock_outs_grow_to_a_bound() -> None:
    spans = [tries._lock_s(count, 5) for count in (4, 5, 6, 7, 40, 10_000)]
    assert spans == [0, 60, 120, 240, LONGEST_LOCK_S, LONGEST_LOCK_S]


def test_success_forgets_the_failures_of_the_name(olga: Identity) -> None:
    for _ in range(2):
        fail(TRIES_A_SUBJECT - 1)
        assert log_in().status_code == 302


def test_success_does_not_forget_the_failures_of_the_address(olga: Identity) -> None:
    """Else whoever has one login guesses all others' passwords between their own."""
    for at in range(TRIES_AN_ADDRESS):
        fail(1, f"other-{at}")
        if at == TRIES_AN_ADDRESS - 2:
            assert log_in().status_code == 302
    assert log_in().status_code == 429


def test_another_address_is_another_count(olga: Identity) -> None:
    for at in range(TRIES_AN_ADDRESS):
        fail(1, f"other-{at}")
    assert log_in(REMOTE_ADDR="192.0.2.7").status_code == 302


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:9::9", "2001:db8:1:2::/64"),
        ("not an address", ""),
    ],
)
def test_an_ipv6_customer_has_one_count(address: str, counted: str) -> None:
    assert network_of(address) == counted


def test_names_that_nobody_has_are_answered_and_locked_alike(olga: Identity) -> None:
    answers = {}
    for name in ("olga", "nobody"):
        wrong, locked = fail(TRIES_A_SUBJECT, name), log_in(name)
        assert b"nobody" not in wrong.content.replace(f'value="{name}"'.encode(), b"")
        shown = [page.context["form"].errors.as_text() for page in (wrong, locked)]
        answers[name] = (wrong.status_code, locked.status_code, shown)
    assert answers["olga"] == answers["nobody"]


class CountedHasher(MD5PasswordHasher):
    """The tests' hasher, which tells how often it worked."""

    algorithm = "counted"
    worked = 0

    def encode(self, password: str, salt: str) -> str:
        CountedHasher.worked += 1
        return super().encode(password, salt)


def test_the_same_work_is_done_for_every_name(settings: Any) -> None:
    """One hash and the same statements: time tells nothing of who exists."""
    settings.PASSWORD_HASHERS = [f"{__name__}.CountedHasher"]
    make_identity("olga", is_staff=True, password=SECRET)
    make_identity("gone", is_staff=True, is_active=False, password=SECRET)
    make_identity("buyer")
    work = {name: work_of(name) for name in ("olga", "nobody", "gone", "buyer")}
    # Name and address are locked and counted, one sweep, one look for the identity, one hash.
    assert work["olga"] == ["BEGIN", *["INSERT"] * 2, *["UPDATE"] * 2, "WITH", "COMMIT", "SELECT", "1 hash"]
    assert [name for name in work if work[name] != work["olga"]] == []


def work_of(name: str) -> list[str]:
    """The statements' first words and the number of hashes of one wrong try."""
    CountedHasher.worked = 0
    with CaptureQueriesContext(connection) as asked:
        log_in(name, "wrong")
    words = [query["sql"].split()[0] for query in asked.captured_queries]
    return [*words, f"{CountedHasher.worked} hash"]


def test_nothing_typed_is_kept_or_logged(olga: Identity, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="posx.admin.login"):
        log_in("my-password-in-the-wrong-field", "wrong", REMOTE_ADDR="192.0.2.77")
    assert "Admin login refused: subject=" in caplog.text
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(t::text, ' ') FROM accounts_logintry t")
        kept = cursor.fetchone()[0]
    for said in (caplog.text, kept):
        assert "my-password" not in said
        assert "192.0.2.77" not in said


def test_it_holds_while_redis_is_away(olga: Identity, settings: Any) -> None:
    settings.CACHES = {
        **settings.CACHES,
        "default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1"},
    }
    fail(TRIES_A_SUBJECT)
    assert log_in().status_code == 429


def test_old_counts_are_swept_by_the_next_try(olga: Identity) -> None:
    fail(1, "somebody")
    age(seconds=25 * 3600)
    log_in()
    assert not LoginTry.objects.filter(key=subject_counter("somebody").key).exists()


def test_an_old_count_does_not_count(olga: Identity) -> None:
    fail(TRIES_A_SUBJECT - 1)
    age(seconds=25 * 3600)
    fail(TRIES_A_SUBJECT - 1)
    assert log_in().status_code == 302


def _try_once(_: int) -> bool:
    try:
        try_count(counters=[Counter("test", "race", 5), Counter("test", "address", 50, shared=True)])
    except TriesLocked:
        return False
    finally:
        connections.close_all()
    return True


def test_tries_at_once_are_not_more_than_the_limit() -> None:
    with ThreadPoolExecutor(6) as pool:
        passed = list(pool.map(_try_once, range(12)))
    assert sum(passed) == 5


@pytest.fixture
def second_try(admin_connection: Any) -> Iterator[Any]:
    """`second_try()` begins a try of the same name elsewhere; it is (thread, results)."""
    results: list[int] = []

    def run() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(tries._LOCK, {"key": "same"})
            results.append(cursor.fetchone()[0])
        connections.close_all()

    thread = threading.Thread(target=run)

    def begin() -> tuple[threading.Thread, list[int]]:
        thread.start()
        return thread, results

    yield begin
    thread.join(10)


def _waits_for_a_lock(admin_connection: Any) -> bool:
    with admin_connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def test_a_second_try_waits_for_the_first_to_be_counted(second_try: Any, admin_connection: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(tries._LOCK, {"key": "same"})
        thread, results = second_try()
        wait_until(lambda: _waits_for_a_lock(admin_connection))
        cursor.execute(tries._COUNT, {"key": "same", "failures": 1, "lock_s": 0})
    thread.join(10)
    assert results == [1]


@pytest.mark.isolation("throttle counters", control=True)
def test_without_the_lock_both_see_the_same_count(second_try: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: a plain read lets every try that runs at once pass as the first."""
    try_count(counters=[Counter("test", "warm", 5)])
    monkeypatch.setattr(
        tries,
        "_LOCK",
        "SELECT coalesce(max(failures), 0), 0 FROM public.accounts_logintry WHERE key = %(key)s",
    )
    LoginTry.objects.create(key="same", failures=0, forget_at="2999-01-01T00:00Z")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(tries._LOCK, {"key": "same"})
        thread, results = second_try()
        thread.join(10)
        cursor.execute(tries._COUNT, {"key": "same", "failures": 1, "lock_s": 0})
    assert results == [0]


def test_a_success_takes_back_the_lock_that_its_own_try_set() -> None:
    counter = Counter("test", "last", 1)
    try_succeeded(counted=try_count(counters=[counter]))
    try_count(counters=[counter])
    with pytest.raises(TriesLocked):
        try_count(counters=[counter])


def test_the_command_ends_a_lock_out(olga: Identity) -> None:
    fail(TRIES_A_SUBJECT)
    call_command("unlock_login", "olga")
    assert log_in().status_code == 302
    event = PlatformEvent.objects.get()
    assert (event.actor_kind, event.actor_id, event.action, event.target) == (
        "command",
        "unlock_login",
        "login.unlock",
        str(olga.pk),
    )


def test_a_platform_administrator_ends_a_lock_out(olga: Identity) -> None:
    fail(TRIES_A_SUBJECT)
    admin = platform_admin()
    sent = {"action": "unlock_login", "_selected_action": [str(olga.pk)]}
    assert entered(admin).post("/admin/accounts/identity/", sent).status_code == 302
    assert log_in().status_code == 302
    assert PlatformEvent.objects.get().actor_id == str(admin.pk)


def _with_session(client: Client, **values: int) -> None:
    session = client.session
    session.update(values)
    session.save()


def test_a_login_changes_the_session_s_id(olga: Identity) -> None:
    client = Client()
    client.force_login(make_identity("other", is_staff=True))
    before = client.cookies["sessionid"].value
    log_in(client=client)
    assert client.cookies["sessionid"].value != before


@pytest.mark.isolation("sessions")
def test_a_session_has_an_end_whatever_is_clicked(settings: Any) -> None:
    client = entered(staff_of(make_site("NA")))
    _with_session(client, **{BEGAN_AT_S: int(time.time()) - settings.STAFF_SESSION_MAX_S + 30})
    assert client.get(INDEX).status_code == 200
    _with_session(client, **{BEGAN_AT_S: int(time.time()) - settings.STAFF_SESSION_MAX_S})
    assert client.get(INDEX).status_code == 302
    assert not client.session.keys()


def _seconds_left() -> float:
    return (Session.objects.get().expire_date - timezone.now()).total_seconds()


@pytest.mark.isolation("sessions")
def test_a_session_ends_when_nothing_is_clicked(settings: Any) -> None:
    client = entered(staff_of(make_site("NA")))
    assert settings.SESSION_COOKIE_AGE - 10 < _seconds_left() <= settings.SESSION_COOKIE_AGE
    Session.objects.update(expire_date=timezone.now())
    assert client.get(INDEX).status_code == 302


def test_clicking_keeps_a_session_and_saves_none_of_its_data(settings: Any) -> None:
    client = entered(staff_of(make_site("NA")))
    Session.objects.update(expire_date=timezone.now() + timedelta(seconds=100))
    data = Session.objects.get().session_data
    client.get(INDEX)
    assert _seconds_left() > settings.SESSION_COOKIE_AGE - 10
    assert Session.objects.get().session_data == data


def test_a_session_that_says_nothing_of_its_age_ends() -> None:
    client = entered(staff_of(make_site("NA")))
    session = client.session
    del session[BEGAN_AT_S]
    session.save()
    assert client.get(INDEX).status_code == 302


@pytest.mark.isolation("sessions")
def test_the_end_of_the_last_staff_membership_ends_the_session() -> None:
    site = make_site("NA")
    person = staff_of(site)
    client = entered(person)
    assert client.get(INDEX).status_code == 200
    with in_site(site):
        Membership.objects.filter(identity=person).update(is_active=False)
    assert client.get(INDEX)["Location"].startswith(LOGIN)
    assert not client.session.keys()


@pytest.mark.isolation("sessions")
def test_a_deactivated_identity_is_out_at_the_next_click() -> None:
    person = staff_of(make_site("NA"))
    client = entered(person)
    Identity.objects.filter(pk=person.pk).update(is_active=False)
    assert client.get(INDEX).status_code == 302


@pytest.mark.isolation("sessions")
def test_another_password_logs_out_everywhere_else(olga: Identity) -> None:
    make_member(make_site("NA"), Role.OPERATOR, identity=olga)
    here, elsewhere = Client(), Client()
    for client in (here, elsewhere):
        log_in(client=client)
        assert client.get(INDEX).status_code == 200
    changed = {
        "old_password": SECRET,
        "new_password1": "another long one",
        "new_password2": "another long one",
    }
    assert here.post("/admin/password_change/", changed).status_code == 302
    assert here.get(INDEX).status_code == 200
    assert elsewhere.get(INDEX).status_code == 302


def test_the_cookie_is_for_the_browser_s_own_requests_only(olga: Identity) -> None:
    cookie = log_in().cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert not cookie["max-age"]  # it goes with the browser


@pytest.mark.parametrize(("origin", "status"), [("https://posx.example", 302), ("https://evil.example", 403)])
def test_forms_are_accepted_behind_railways_proxy(
    olga: Identity, settings: Any, origin: str, status: int
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.CSRF_COOKIE_SECURE = settings.SESSION_COOKIE_SECURE = True
    settings.CSRF_TRUSTED_ORIGINS = ["https://posx.example"]
    settings.ALLOWED_HOSTS = ["posx.example"]
    edge = {"HTTP_HOST": "posx.example", "HTTP_X_FORWARDED_PROTO": "https"}
    client = Client(enforce_csrf_checks=True)
    client.get(LOGIN, **edge)  # type: ignore[arg-type]  # headers, not `follow`
    token = client.cookies["csrftoken"]
    assert token["secure"]
    sent = {"username": "olga", "password": SECRET, "csrfmiddlewaretoken": token.value}
    answer = client.post(LOGIN, sent, HTTP_ORIGIN=origin, **edge)  # type: ignore[arg-type]
    assert answer.status_code == status
    if status == 302:
        assert answer.cookies["sessionid"]["secure"]
