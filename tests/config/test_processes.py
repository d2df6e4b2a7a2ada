"""Each kind of process has its own timeouts, by the words that started it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings

from config.logins import TIMEOUTS_S, app_database
from config.processes import process_kind
from tests.servers import BACKEND

URL = "postgresql://postgres:p@db:5432/railway"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["/opt/venv/bin/gunicorn", "config.wsgi:application"], "web"),
        (["/lib/site-packages/gunicorn/__main__.py", "config.wsgi:application"], "web"),
        (["/opt/venv/bin/celery", "-A", "config", "worker", "--loglevel=info"], "worker"),
        (["/lib/celery/__main__.py", "-A", "config", "beat"], "beat"),
        (["/opt/venv/bin/celery", "-A", "config", "inspect", "ping"], "command"),
        (["manage.py", "worker"], "command"),
        ([], "command"),
    ],
)
def test_the_kind_is_read_from_the_words(words: list[str], kind: str) -> None:
    assert process_kind(words) == kind


@pytest.mark.parametrize("kind", TIMEOUTS_S)
def test_a_session_starts_with_the_timeouts_of_its_kind(kind: str) -> None:
    options = app_database(URL, kind=kind)["OPTIONS"]

    assert options["application_name"] == f"posx-{kind}"
    assert options["options"].split("-c ")[1:] == [
        f"{name}={value_s}s" + (" " if name != "idle_in_transaction_session_timeout" else "")
        for name, value_s in TIMEOUTS_S[kind].items()
    ]


def test_a_statement_ends_before_the_process_that_waits_for_it_is_killed() -> None:
    gunicorn = (BACKEND / "gunicorn.conf.py").read_text()

    assert "graceful_timeout = 25" in gunicorn
    assert TIMEOUTS_S["web"]["statement_timeout"] < 25
    assert TIMEOUTS_S["worker"]["statement_timeout"] < settings.CELERY_TASK_SOFT_TIME_LIMIT


def test_postgresql_itself_ends_a_beats_statement(database: None) -> None:
    """Through a program named celery, with a real session: the timeout arrives there."""
    code = (
        "import sys; sys.argv = ['celery', '-A', 'config', 'beat'];"
        "import django; django.setup();"
        "from django.db import connection; cursor = connection.cursor();"
        "cursor.execute(\"SELECT current_setting('statement_timeout'), current_setting('application_name')\");"
        "print(cursor.fetchone())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=BACKEND, env=os.environ, capture_output=True, text=True, check=True
    )

    assert told.stdout.strip() == "('5s', 'posx-beat')"


def test_a_poolers_address_keeps_the_derived_login_and_no_cursor_of_the_server() -> None:
    direct, pooled = app_database(URL), app_database(URL, "postgresql://pgbouncer:6432/railway")

    assert (pooled["HOST"], pooled["PORT"]) == ("pgbouncer", 6432)
    assert (pooled["USER"], pooled["PASSWORD"]) == (direct["USER"], direct["PASSWORD"])
    assert pooled["DISABLE_SERVER_SIDE_CURSORS"]
    assert not direct["DISABLE_SERVER_SIDE_CURSORS"]
