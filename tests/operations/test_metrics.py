"""/metrics: who may read it, and that its numbers are those of all processes."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis
import yaml
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from apps.core import measures
from apps.core.doorbells import ring
from apps.operations import state_counts
from apps.operations.state_counts import states_count
from tests.operations.ledger.books import Books
from tests.programs import SECRETS, Web
from tests.servers import REPOSITORY
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("database")
PRIVATE, PUBLIC = "10.1.2.3", "93.184.216.34"
MONITORING = REPOSITORY / "docs" / "monitoring"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def page(**of_request: Any) -> Any:
    return Client().get("/metrics", **{"REMOTE_ADDR": PRIVATE, **of_request})


def samples(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(numbers: Samples, name: str, **labels: str) -> float | None:
    return numbers.get((name, tuple(sorted(labels.items()))))


# Who may read


def test_the_private_network_may_read_without_a_token(redis_url: str) -> None:
    answer = page()
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert value(samples(answer.text), "posx_check_ok", check="database") == 1


@pytest.mark.parametrize(
    "caller",
    [
        {"REMOTE_ADDR": PUBLIC},
        {"REMOTE_ADDR": ""},
        {"HTTP_X_FORWARDED_FOR": PRIVATE},
        {"HTTP_X_REAL_IP": PRIVATE},
        {"HTTP_FORWARDED": f"for={PRIVATE}"},
        {"HTTP_X_FORWARDED_PROTO": "https"},
    ],
    ids=str,
)
def test_what_came_by_the_edge_finds_nothing(caller: dict[str, str]) -> None:
    assert page(**caller).status_code == 404


def test_with_a_token_only_its_holders_may_read(settings: Settings, redis_url: str) -> None:
    settings.METRICS_TOKEN = "t0ken"
    assert page().status_code == 404
    assert page(HTTP_AUTHORIZATION="Bearer wrong").status_code == 404
    assert page(HTTP_AUTHORIZATION="Bearer t0ken\u00e9").status_code == 404
    assert page(HTTP_AUTHORIZATION="Bearer t0ken", REMOTE_ADDR=PUBLIC).status_code == 200


# What it says


def test_requests_of_all_web_processes_are_counted_together(tmp_path: Path, redis_url: str) -> None:
    # given two processes, each of which answers some of these
    web = Web(tmp_path / "web.log").healthy()
    try:
        for _ in range(20):
            assert web.get("/version/").status_code == 200
        web.get("/api/v1/orders/0190d6a0-0000-7000-8000-000000000000/")
        web.get("/made-up/")

        # then the page of whichever process is asked shows all of them
        labels = {"method": "GET", "route": "version/"}
        numbers: Samples = {}

        def shown() -> bool:
            numbers.update(samples(web.get("/metrics").text))
            routes = {dict(of)["route"] for name, of in numbers if name == "posx_http_requests_total"}
            return (
                value(numbers, "posx_http_requests_total", **labels, status="200") == 20
                and {"api/v1/orders/<uuid:order_id>/", "unmatched"} <= routes
            )

        wait_until(shown, 15.0)
        assert value(numbers, "posx_http_request_duration_seconds_count", **labels) == 20
    finally:
        web.kill()


def test_a_worker_s_tasks_are_counted(redis_url: str, celery_worker: Any) -> None:
    ring("apps.orders.tasks.sweep_orders")

    def counted() -> float | None:
        labels = {"task": "apps.orders.tasks.sweep_orders", "outcome": "succeeded"}
        return value(samples(page().text), "posx_tasks_total", **labels)

    wait_until(lambda: (counted() or 0) >= 1, 20.0)


@pytest.mark.usefixtures("stripe_sandbox")
def test_states_of_all_sites_are_counted_together(redis_url: str) -> None:
    Books("NA")
    Books("EU")
    assert states_count() == 2
    numbers = samples(page().text)
    assert value(numbers, "posx_payouts", state="awaiting_approval") == 2
    assert value(numbers, "posx_orders", state="expired") == 2
    assert (value(numbers, "posx_releases", state="revoked") or 0) > 0
    assert time.time() - (value(numbers, "posx_states_counted_at_seconds") or 0) < 60


@pytest.mark.usefixtures("stripe_sandbox")
def test_counting_goes_on_where_it_stopped_and_then_rests(redis_url: str) -> None:
    Books("NA")
    Books("EU")
    # when there is no time for more than nothing, then for all
    assert states_count(budget_s=-1) == 0
    assert state_counts.counting_kept(timeout_s=2.0).counts == {}
    assert states_count() == 2
    whole = state_counts.counting_kept(timeout_s=2.0)
    assert whole.counts["payouts"]["paid"] == 2
    # then it rests
    assert whole.rests_until > whole.counted_at
    assert states_count() == 0


def test_a_redis_that_is_away_takes_away_its_numbers_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    numbers = samples(page().text)
    assert value(numbers, "posx_check_ok", check="redis") == 0
    assert value(numbers, "posx_check_ok", check="database") == 1


@pytest.mark.isolation("every endpoint")
@pytest.mark.usefixtures("stripe_sandbox")
def test_it_tells_of_no_site_and_no_secret(redis_url: str, admin_connection: Any) -> None:
    books = Books("ZEBRA")
    states_count()
    client = Client()
    client.get(f"/api/v1/staff/orders/{books.site.id}/", HTTP_X_SITE_CODE="ZEBRA")
    client.get("/ZEBRA/")
    measures.flush()
    with admin_connection.cursor() as cursor:
        cursor.execute("SELECT id::text, code, name FROM sites_site")
        planted = {word for row in cursor.fetchall() for word in row}
        cursor.execute("SELECT id::text, to_address FROM payouts_payout")
        planted |= {word for row in cursor.fetchall() for word in row}

    text = page().text
    assert 'route="api/v1/staff/orders/<uuid:order_id>/"' in text
    hidden = {*planted, *SECRETS, urlsplit(os.environ["DATABASE_URL"]).password or "?", "127.0.0.1"}
    assert [word for word in hidden if word in text] == []


def test_it_is_read_only_and_never_cached(redis_url: str) -> None:
    assert Client().post("/metrics", REMOTE_ADDR=PRIVATE).status_code == 405
    assert "no-store" in page().headers["Cache-Control"]


# What watches it


def _names_in(text: str) -> set[str]:
    return set(re.findall(r"\bposx_\w+", text)) - {"posx_backend"}


@pytest.mark.usefixtures("stripe_sandbox")
def test_alerts_and_dashboard_ask_for_what_the_page_shows(redis_url: str) -> None:
    Books("NA")
    states_count()
    measures.count("tasks_total", "t", "failed")
    measures.observe("task_duration_seconds", "t", duration_s=0.1)
    measures.observe("http_request_duration_seconds", "GET", "r", duration_s=0.1)
    measures.count("http_requests_total", "GET", "r", "200")
    measures.flush()
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        assert client.exists(measures.KEY)
    shown = {name for name, _labels in samples(page().text)} | {
        "posx_workers_alive",
        "posx_beat_late_seconds",
    }

    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"][0]["rules"]
    panels = json.loads((MONITORING / "grafana.json").read_text())["panels"]
    asked = [rule["expr"] for rule in rules] + [each["expr"] for panel in panels for each in panel["targets"]]
    for expression in asked:
        assert _names_in(expression) <= shown, expression


def test_alerts_send_nobody_to_a_page_that_is_not_there() -> None:
    named = set(re.findall(r"docs/[\w./-]+\.md", (MONITORING / "alerts.yml").read_text()))
    assert "docs/runbook.md" in named
    assert [page for page in named if not (REPOSITORY / page).is_file()] == []
