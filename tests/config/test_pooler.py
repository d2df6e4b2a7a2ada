"""Web and worker behind PgBouncer in transaction mode: a session's memory is worth nothing, and sites stay apart."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from apps.vesting.reports.export import releases_csv
from config.celery import app
from config.logins import LOGIN_TIMEOUTS_S, app_database
from tests.factories import make_site, make_tier
from tests.pooler import PROGRAM, pooler
from tests.programs import WORKER, Program, Web
from tests.servers import BACKEND
from tests.vesting.test_freezing import Pausing

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason="PgBouncer is not installed: apt-get install pgbouncer"
)
ASKED = 60
AT_ONCE = 8


@pytest.fixture
def pooler_url(database: None) -> Iterator[str]:
    with pooler() as url:
        yield url


def test_requests_of_two_sites_share_connections_and_see_their_own(pooler_url: str, tmp_path: Path) -> None:
    # Given a tier in each of two sites, and a web with more threads than the pool has connections
    own = {code: make_tier(make_site(code)).id for code in ("NA", "ASIA")}
    web = Web(tmp_path / "web.log", {"DATABASE_APP_URL": pooler_url})
    try:
        web.healthy()

        # When both sites are asked at the same time, again and again
        def seen(code: str) -> list[str]:
            answer = web.get("/api/v1/tiers/", headers={"X-Site-Code": code})
            return [tier["id"] for tier in answer.json()["results"]]

        codes = ["NA", "ASIA"] * (ASKED // 2)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(seen, codes))

        # Then nobody sees the other's
        assert answers == [[str(own[code])] for code in codes]
        checks = web.get("/ready/").json()["checks"]
        assert {name: checks[name] for name in ("database", "migrations")} == {
            "database": {"ok": True},
            "migrations": {"ok": True, "pending": 0},
        }
        assert checks["row_security"]["ok"]
    finally:
        web.kill()


def test_a_worker_takes_tasks(pooler_url: str, _worker_process: Any, tmp_path: Path) -> None:
    _worker_process.stop()
    worker = Program(tmp_path / "worker.log", WORKER, {"DATABASE_APP_URL": pooler_url})
    try:
        worker.says("ready.")
        for _ in range(4):
            app.send_task("apps.webhooks.tasks.sweep_inbox", expires=60)
        worker.says("succeeded", times=4)
        assert "heartbeat not written" not in worker.text()
    finally:
        worker.kill()


def test_the_logins_own_timeouts_hold_where_a_sessions_do_not_arrive(pooler_url: str) -> None:
    given = app_database(os.environ["DATABASE_URL"], pooler_url)
    words = {
        "user": given["USER"],
        "password": given["PASSWORD"],
        "host": given["HOST"],
        "port": given["PORT"],
    }

    with (
        closing(
            psycopg2.connect(dbname=given["NAME"], options="-c statement_timeout=1ms", **words)
        ) as pooled,
        pooled.cursor() as cursor,
    ):
        found = {}
        for name in LOGIN_TIMEOUTS_S:
            cursor.execute("SELECT setting::int / 1000 FROM pg_settings WHERE name = %s", [name])
            (found[name],) = cursor.fetchone()

    assert found == LOGIN_TIMEOUTS_S


def test_an_export_of_many_pages_is_the_same_file(pooler_url: str) -> None:
    # Given releases of one site, and the export without a pooler
    site_id = Pausing().site.id
    direct = b"".join(releases_csv(site_id=site_id))

    # When it is made behind the pooler, three rows a page
    code = (
        f"for piece in releases_csv(site_id=UUID('{site_id}'), page_rows=3): sys.stdout.buffer.write(piece)"
    )
    imports = "import sys; from uuid import UUID; from apps.vesting.reports.export import releases_csv"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", f"{imports}\n{code}"],
        cwd=BACKEND,
        env={**os.environ, "DATABASE_APP_URL": pooler_url},
        stdout=subprocess.PIPE,
        check=True,
    )

    # Then
    assert done.stdout == direct
    assert direct.count(b"\r\n") > 3 * 3
