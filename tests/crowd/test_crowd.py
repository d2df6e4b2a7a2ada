"""A small crowd through real gunicorn, worker and beat: `make crowd` on the servers of the tests."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from devstack.crowd.campaign import Result, run_crowd
from devstack.crowd.market import WEB_PROCESSES, WEB_THREADS, market_made
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.issuer import LocalIssuer
from devstack.ports import HOST
from devstack.stripe_sandbox import StripeSandbox
from tests.journeys.sale_site import SalePlace
from tests.programs import BEAT, Program
from tests.servers import APP_PORT, BACKEND, REPOSITORY
from tests.waiting import wait_until
from tests.workers import WorkerProcess

BUYERS, UNITS, AT_ONCE, SEED = 200, 20, 48, 2
RunCrowd = Callable[..., Result]


@pytest.fixture
def crowd(
    tmp_path: Path,
    database: None,
    stripe_sandbox: StripeSandbox,
    fireblocks_sandbox: FireblocksSandbox,
    issuer: LocalIssuer,
    celery_worker: WorkerProcess,
) -> Iterator[RunCrowd]:
    """`crowd(settings, patience_s=...)`: web and beat with these settings, and the crowd before them."""
    with ExitStack() as ends:

        def run(settings: str, *, patience_s: float) -> Result:
            environment = {
                **os.environ,
                "DJANGO_SETTINGS_MODULE": f"tests.crowd.{settings}",
                "PYTHONPATH": f"{BACKEND}{os.pathsep}{REPOSITORY}",
                "LOG_LEVEL": "WARNING",
            }
            url = f"http://{HOST}:{os.environ[APP_PORT]}"
            web = Program(tmp_path / "web.log", _gunicorn(url), environment)
            ends.callback(web.kill)
            ends.callback(Program(tmp_path / "beat.log", BEAT, environment).kill)
            wait_until(lambda: _answers(url), 60, "web answers")
            place = SalePlace(url, stripe_sandbox, fireblocks_sandbox, issuer, {})
            market = market_made(place, environment, buyers=BUYERS, units=UNITS)
            result = run_crowd(
                market, units=UNITS, at_once=AT_ONCE, seed=SEED, output=sys.stdout, patience_s=patience_s
            )
            print(*result.rows, *result.faults, web.text()[-3000:], sep="\n")  # noqa: T201 - shown with a failure
            return result

        yield run


def _gunicorn(url: str) -> tuple[str, ...]:
    size = ("--workers", str(WEB_PROCESSES), "--threads", str(WEB_THREADS))
    return ("gunicorn", "config.wsgi:application", "--bind", url.removeprefix("http://"), *size)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health/", timeout=5).status_code == 200
    except requests.RequestException:
        return False  # not listening yet


def test_two_hundred_buyers_for_twenty_units(crowd: RunCrowd) -> None:
    result = crowd("short_hold_settings", patience_s=180)

    table = dict(result.rows)
    assert result.faults == []
    assert table["units sold"] == str(UNITS)
    # Everything that the checks are about did happen
    assert int(table["  answered: sold_out"]) > 100
    assert int(table["  answered: tier_closed"]) > 0
    assert int(table["units given back, and sold again"]) > 0


def test_control_reading_and_then_writing_is_reported_as_oversold(crowd: RunCrowd) -> None:
    result = crowd("naive_settings", patience_s=1)

    assert any(fault.startswith("oversold") for fault in result.faults)
    assert any(fault.startswith("miscounted") for fault in result.faults)
