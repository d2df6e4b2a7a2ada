"""How many connections the processes may open together, and what PostgreSQL offers."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from apps.core.connection_budget import Processes, budget_warning, connections_offered

SEED = Processes(web_replicas=1, web_processes=2, web_threads=2, worker_replicas=1, worker_processes=2)


def test_the_seeds_processes_fit_into_railways_postgresql() -> None:
    # Twice 2 x (2 + 2) of the web and 3 of the worker; 2 beats, 3 of migrate, 3 of people
    assert SEED.connections() == 30
    assert budget_warning(SEED, offered=97) == ""


def test_one_too_few_is_said_with_what_to_do() -> None:
    said = budget_warning(SEED, offered=29)

    assert "30 connections" in said
    assert "PostgreSQL offers 29" in said
    assert "PgBouncer" in said


@pytest.mark.parametrize("field", ["web_replicas", "web_processes", "web_threads", "worker_replicas"])
def test_more_of_any_needs_more(field: str) -> None:
    assert replace(SEED, **{field: 3}).connections() > SEED.connections()


def test_superusers_keep_their_own(admin_connection: Any) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        (most,) = cursor.fetchone()
        cursor.execute("SHOW superuser_reserved_connections")
        (kept,) = cursor.fetchone()

        assert connections_offered(cursor, "posx_app") == int(most) - int(kept)


def test_a_limit_of_the_database_counts(admin_connection: Any) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute("SELECT current_database()")
        (name,) = cursor.fetchone()
        cursor.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT 12')
        try:
            assert connections_offered(cursor, "posx_app") == 12
        finally:
            cursor.execute(f'ALTER DATABASE "{name}" CONNECTION LIMIT -1')


def test_check_warns_when_they_are_too_few(database: None, settings: Any) -> None:
    settings.PROCESSES = {**settings.PROCESSES, "web_replicas": 100}
    said = StringIO()

    call_command("check", databases=["default"], stderr=said)

    assert "posx.W010" in said.getvalue()


def test_check_is_silent_when_there_are_enough(database: None) -> None:
    said = StringIO()

    call_command("check", databases=["default"], stderr=said)

    assert "posx.W010" not in said.getvalue()
