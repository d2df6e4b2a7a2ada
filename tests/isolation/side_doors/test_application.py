"""What the application itself keeps or says: cache, counters, sessions, Django's log, files, log lines."""

from __future__ import annotations

import ast
import io
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.cache import cache, caches
from django.db import connection, models
from django.http import StreamingHttpResponse
from django.test import Client

from apps.accounts.admin_places import SESSION_KEY
from apps.core.logging import JsonFormatter, LineFormatter
from apps.core.throttles import count
from apps.sites.models import Asset
from apps.sites.scope import CrossedSiteScope, SiteScopeMissing, bind_site, site_scope
from tests.admin.rows import entered, staff_of
from tests.clients import api, api_of, token_for
from tests.factories import in_site, make_identity, make_member, make_tier, make_wallet
from tests.isolation.conftest import TwoSites
from tests.isolation.side_doors.source import product_files
from tests.servers import BACKEND


def _keys() -> list[str]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        return sorted(key.decode() for key in client.keys("posx*"))


# Every place that uses Django's cache, and what it keeps there.
CACHE_USES = {"apps/core/throttles.py": "how often a caller asked in the present window"}


@pytest.mark.isolation("cache keys")
def test_the_uses_of_the_cache_are_known() -> None:
    users = set()
    for path in product_files():
        for node in ast.walk(ast.parse(path.read_text())):
            module = getattr(node, "module", "") or ""
            names = {alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)}
            if module == "django.core.cache" or any("cache_page" in name for name in names):
                users.add(str(path.relative_to(BACKEND)))
    assert users == set(CACHE_USES)


@pytest.mark.isolation("cache keys")
def test_a_value_cached_in_one_site_is_not_found_in_the_next(sites: TwoSites) -> None:
    with bind_site(sites.here.id):
        cache.set("k", "of A")
    with bind_site(sites.there.id):
        assert cache.get("k") is None
        cache.set("k", "of B")
    with site_scope(sites.here.id):
        assert cache.get("k") == "of A"
    assert cache.get("k") is None


@pytest.mark.isolation("cache keys")
def test_every_key_that_a_request_leaves_carries_its_site(sites: TwoSites) -> None:
    api_of(make_member(sites.here)).get("/api/v1/tiers/")
    keys = _keys()
    assert keys
    assert [key for key in keys if str(sites.here.id) not in key] == []


@pytest.mark.isolation("cache keys", control=True)
def test_with_djangos_own_keys_a_value_crosses(sites: TwoSites, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        caches["default"], "key_func", lambda key, prefix, version: f"{prefix}:{version}:{key}"
    )
    with bind_site(sites.here.id):
        cache.set("k", "of A")
    with bind_site(sites.there.id):
        assert cache.get("k") == "of A"


@pytest.mark.isolation("throttle counters")
def test_requests_to_one_site_are_not_counted_in_the_next(sites: TwoSites) -> None:
    person = make_identity()
    here, there = (make_member(site, identity=person) for site in (sites.here, sites.there))
    for _ in range(3):
        api_of(here).get("/api/v1/tiers/")
    api_of(there).get("/api/v1/tiers/")
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        counted = {key.split(":")[2]: int(client.get(key) or 0) for key in _keys()}
    assert counted == {str(sites.here.id): 3, str(sites.there.id): 1}


@pytest.mark.isolation("throttle counters")
def test_callers_of_one_site_are_counted_apart(sites: TwoSites) -> None:
    for _ in range(2):
        api_of(make_member(sites.here)).get("/api/v1/me/")
    assert len({key.rpartition(":")[0] for key in _keys()}) == 2


@pytest.mark.isolation("throttle counters", control=True)
def test_with_djangos_own_keys_one_sites_requests_count_against_the_next(
    sites: TwoSites, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        caches["default"], "key_func", lambda key, prefix, version: f"{prefix}:{version}:{key}"
    )
    with bind_site(sites.here.id):
        count("throttle:x", 60)
    with bind_site(sites.there.id):
        assert count("throttle:x", 60) == 2


@pytest.mark.isolation("sessions")
def test_a_session_holds_ids_and_no_row(sites: TwoSites) -> None:
    client = entered(staff_of(sites.here, sites.there))
    client.post("/admin/site/", {"site": str(sites.here.id)})
    client.get("/admin/sites/asset/")
    held = Session.objects.get().get_decoded()
    assert {key for key in held if not key.startswith("_auth_user_")} == {SESSION_KEY}
    assert held[SESSION_KEY] == str(sites.here.id)


@pytest.mark.isolation("sessions")
def test_a_session_that_names_a_site_without_membership_enters_nowhere(sites: TwoSites) -> None:
    client = entered(staff_of(sites.here), sites.there)
    page = client.get("/admin/sites/asset/").content.decode()
    assert "MINE" in page
    assert "THEIRS" not in page


@pytest.mark.isolation("sessions")
def test_a_session_that_worked_in_one_site_shows_nothing_of_it_in_the_next(sites: TwoSites) -> None:
    client = entered(staff_of(sites.here, sites.there), sites.here)
    assert "MINE" in client.get("/admin/sites/asset/").content.decode()
    client.post("/admin/site/", {"site": str(sites.there.id)})
    page = client.get("/admin/sites/asset/").content.decode()
    assert ("MINE" in page, "THEIRS" in page) == (False, True)


@pytest.mark.isolation("sessions")
def test_the_api_neither_reads_nor_makes_a_session(sites: TwoSites) -> None:
    person = staff_of(sites.here)
    client = entered(person, sites.here)
    assert client.get("/api/v1/me/", headers={"X-Site-Code": "NA"}).status_code == 401
    Session.objects.all().delete()
    api(sites.here, person.subject).get("/api/v1/me/")
    assert not Session.objects.exists()


@pytest.mark.isolation("sessions", control=True)
def test_a_session_is_believed_where_the_membership_exists(sites: TwoSites) -> None:
    """Negative control: it is the missing membership that kept the named site closed above."""
    page = entered(staff_of(sites.here, sites.there), sites.there).get("/admin/sites/asset/").content.decode()
    assert "THEIRS" in page


def _rename(client: Client, asset: Asset) -> None:
    page = f"/admin/sites/asset/{asset.id}/change/"
    form = client.get(page).context["adminform"].form
    values = {name: value for name in form.fields if (value := form[name].value()) is not None}
    answer = client.post(page, {**values, "name": "A SECRET NAME"})
    assert answer.status_code == 302, answer.content.decode()


@pytest.mark.isolation("admin log")
def test_djangos_log_holds_no_value_of_a_row(sites: TwoSites) -> None:
    _rename(entered(staff_of(sites.here), sites.here), sites.mine)
    entry = LogEntry.objects.get()
    written = f"{entry.object_repr} {entry.change_message}"
    assert str(sites.mine.id) in written
    for secret in ("A SECRET NAME", "MINE", "NA"):
        assert secret not in written.split()


@pytest.mark.isolation("admin log")
@pytest.mark.parametrize("page", ["/admin/", "/admin/sites/asset/"])
def test_recent_actions_of_one_site_are_not_shown_in_the_next(sites: TwoSites, page: str) -> None:
    person = staff_of(sites.here, sites.there)
    _rename(entered(person, sites.here), sites.mine)
    shown = entered(person, sites.there).get(page).content.decode()
    assert str(sites.mine.id) not in shown
    assert "A SECRET NAME" not in shown


@pytest.mark.isolation("admin log")
def test_the_log_has_no_page_of_its_own(sites: TwoSites) -> None:
    from django.contrib import admin

    assert LogEntry not in admin.site._registry


@pytest.mark.isolation("admin log", control=True)
def test_djangos_own_entry_would_hold_the_row_as_text(sites: TwoSites) -> None:
    from django.contrib.admin import ModelAdmin, site
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = staff_of(sites.here)
    ModelAdmin(Asset, site).log_change(request, sites.mine, "x")
    assert LogEntry.objects.get().object_repr == "MINE"


@pytest.mark.isolation("exports and files")
def test_no_column_holds_a_file() -> None:
    columns = [field for model in apps.get_models() for field in model._meta.get_fields()]
    assert [field for field in columns if isinstance(field, models.FileField)] == []


# Names that would answer or keep files. A first use has to say here whose rows it may hold.
FILE_WORDS = {
    "FileResponse",
    "StreamingHttpResponse",
    "default_storage",
    "NamedTemporaryFile",
    "mkstemp",
    "FileField",
}
FILE_USES = {"apps/vesting/reports/views.py": "the site's own releases, each page of them read in its scope"}


@pytest.mark.isolation("exports and files")
def test_the_files_that_the_product_writes_or_serves_are_known() -> None:
    users = {
        str(path.relative_to(BACKEND))
        for path in product_files()
        for node in ast.walk(ast.parse(path.read_text()))
        if FILE_WORDS & {getattr(node, "id", ""), getattr(node, "attr", ""), getattr(node, "name", "")}
    }
    assert users == set(FILE_USES)


def _read_late(rows: Any) -> Iterator[str]:
    yield from rows


@pytest.mark.isolation("exports and files")
@pytest.mark.parametrize("lazily", [False, True], ids=["queryset", "iterator"])
def test_a_streamed_answer_that_outlives_its_scope_raises(sites: TwoSites, lazily: bool) -> None:
    with site_scope(sites.here.id):
        rows = Asset.objects.values_list("code", flat=True)
        streamed = StreamingHttpResponse(rows.iterator() if lazily else _read_late(rows))
    with pytest.raises((SiteScopeMissing, CrossedSiteScope)):
        b"".join(streamed.streaming_content)  # type: ignore[arg-type]
    with pytest.raises((SiteScopeMissing, CrossedSiteScope)), site_scope(sites.there.id):
        list(rows)


@pytest.mark.isolation("exports and files", control=True)
def test_inside_its_scope_the_same_answer_is_streamed(sites: TwoSites) -> None:
    with site_scope(sites.here.id):
        streamed = StreamingHttpResponse(Asset.objects.values_list("code", flat=True).iterator())
        assert b"".join(streamed.streaming_content) == b"MINE"  # type: ignore[arg-type]


SECRETS = {
    "a stripe key": "sk_live_51PLANTEDplantedPLANTED",
    "a webhook secret": "whsec_PLANTEDplantedPLANTEDplanted",
    "a client secret": "pi_3PLANTED_secret_PLANTEDplanted",
    "a password": "PLANTED-a-long-enough-one",
    "a wallet": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "a mail address": "planted.person@example.test",
}


@pytest.fixture
def log_lines() -> Iterator[Callable[[], str]]:
    """Everything that is logged from DEBUG on, in both of our formats; SQL aside, which Django logs in DEBUG only."""
    streams = [io.StringIO(), io.StringIO()]
    handlers = [logging.StreamHandler(stream) for stream in streams]
    root, kept = logging.getLogger(), logging.getLogger().level
    for handler, formatter in zip(handlers, (JsonFormatter(), LineFormatter()), strict=True):
        handler.setFormatter(formatter)
        root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    logging.getLogger("django.db.backends").setLevel(logging.INFO)
    yield lambda: "\n".join(stream.getvalue() for stream in streams)
    root.setLevel(kept)
    for handler in handlers:
        root.removeHandler(handler)


def _no_secret_in(text: str, *more: str) -> None:
    assert text
    assert [name for name, value in SECRETS.items() if value in text] == []
    assert [value for value in more if value in text] == []


@pytest.mark.isolation("logs and error reports")
def test_no_request_leaves_a_secret_in_a_line(sites: TwoSites, log_lines: Callable[[], str]) -> None:
    member = make_member(sites.here)
    make_tier(sites.here)
    client, token = api_of(member), token_for(member.identity.subject)
    body = dict(SECRETS)
    client.get("/api/v1/tiers/", SECRETS)
    client.post("/api/v1/orders/", body, headers={"Idempotency-Key": "k" * 20})
    client.post("/api/v1/wallets/", {"address": SECRETS["a wallet"]})
    client.post("/api/v1/orders/", "{" + SECRETS["a mail address"], content_type="application/json")
    client.get("/api/v1/me/", headers={"Authorization": f"Bearer {token}x"})
    client.get("/api/v1/me/", headers={"Authorization": "Basic UExBTlRFRDpwYXNzd29yZA=="})
    for provider in ("stripe", "fireblocks"):
        Client().post(
            f"/api/v1/webhooks/{provider}/",
            str(SECRETS),
            content_type="application/json",
            headers={"Stripe-Signature": SECRETS["a webhook secret"], "Cookie": SECRETS["a password"]},
        )
    Client().post("/admin/login/", {"username": SECRETS["a mail address"], "password": SECRETS["a password"]})
    _no_secret_in(log_lines(), token, token[:-10], "UExBTlRFRDpwYXNzd29yZA")


@pytest.mark.isolation("logs and error reports")
def test_an_unforeseen_error_shows_nothing_outside_and_no_secret_inside(
    sites: TwoSites, log_lines: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.tiers import views

    member = make_member(sites.here)
    client = api_of(member)
    client.raise_request_exception = False

    def fails(*_: Any, **__: Any) -> None:
        password = SECRETS["a password"]  # a local variable of the traceback
        raise RuntimeError(f"{SECRETS['a stripe key']} {SECRETS['a client secret']} {len(password)}")

    monkeypatch.setattr(views.TiersView, "get", fails)
    answer = client.get("/api/v1/tiers/")
    assert answer.status_code == 500
    _no_secret_in(answer.content.decode())
    assert "RuntimeError" not in answer.content.decode()
    assert "RuntimeError" in log_lines()
    _no_secret_in(log_lines())


@pytest.mark.isolation("logs and error reports")
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO accounts_identity (id, subject, password, is_active, is_staff, is_platform_admin, created_at)"
        " SELECT gen_random_uuid(), subject, %s, true, false, false, now() FROM accounts_identity",
        "SELECT %s::uuid",
        "SELECT * FROM accounts_identity WHERE subject = %s AND nothing_like_it",
        "UPDATE accounts_wallet SET address = %s",
    ],
    ids=["unique", "cast", "syntax", "check"],
)
def test_a_database_error_is_logged_without_the_row_and_the_statement(
    sites: TwoSites, log_lines: Callable[[], str], statement: str
) -> None:
    make_wallet(make_member(sites.here, subject=SECRETS["a mail address"]))
    try:
        with in_site(sites.here), connection.cursor() as cursor:
            cursor.execute(statement, [SECRETS["a mail address"]])
    except Exception:  # safe: any error will do, and each case has to have one
        logging.getLogger("posx.test").exception("failed")
    assert "failed" in log_lines()
    lines = "\n".join(line for line in log_lines().splitlines() if "invalid input syntax" not in line)
    assert SECRETS["a mail address"] not in lines.replace(f'\\"{SECRETS["a mail address"]}\\"', "")


@pytest.mark.isolation("logs and error reports", control=True)
def test_without_redaction_the_same_lines_do_hold_secrets(
    sites: TwoSites, log_lines: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.core.logging.redact", str)
    logging.getLogger("posx.test").warning("told %s", SECRETS["a stripe key"])
    with pytest.raises(AssertionError):
        _no_secret_in(log_lines())
