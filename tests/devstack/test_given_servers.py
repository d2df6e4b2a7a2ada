"""`make up` with DATABASE_URL and REDIS_URL: the user's servers are used, and a real installation is left alone."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
import requests

from devstack.environment import PORT_VARIABLES, State
from devstack.given_servers import DEMO_SITE, GivenServerError, given_database, given_redis
from devstack.ports import HOST, free_port
from devstack.stack import LocalStack
from tests.factories import make_site
from tests.servers import clone_template, database_url

NOWHERE = f"postgresql://postgres:hunter2hunter2@{HOST}:1/posx"


@pytest.fixture
def users_database(database: None, admin_connection: Any) -> Iterator[str]:
    """Somebody's database, already migrated by another day's `make up`."""
    name = clone_template(f"given_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    yield database_url(name)
    with admin_connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_nothing_given_means_servers_of_its_own() -> None:
    assert given_database({"DATABASE_URL": " "}) == given_redis({}) == ""


def test_a_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(GivenServerError) as refused:
        given_database({"DATABASE_URL": NOWHERE})

    assert f"{HOST}:1/posx cannot be used" in str(refused.value)
    assert "unset it" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_redis_that_does_not_answer_is_named() -> None:
    with pytest.raises(GivenServerError, match=f"REDIS_URL is set, and {HOST}:1/0 cannot be used"):
        given_redis({"REDIS_URL": f"redis://default:hunter2@{HOST}:1/0"})


def test_a_database_with_somebody_elses_sites_is_refused(database: None) -> None:
    make_site("ASIA")

    with pytest.raises(GivenServerError, match=r"holds sites of somebody else .ASIA."):
        given_database(os.environ)


def test_a_database_that_a_demo_was_made_in_is_used_again(database: None) -> None:
    make_site("ASIA")
    make_site(DEMO_SITE)

    assert given_database(os.environ) == os.environ["DATABASE_URL"]


def test_a_stack_runs_on_the_users_servers_and_leaves_them_running(
    users_database: str, redis_url: str, tmp_path: Path
) -> None:
    given = {"DATABASE_URL": users_database, "REDIS_URL": redis_url}
    output = io.StringIO()
    local = LocalStack(
        State(tmp_path),
        output=output,
        requested_ports={variable: str(free_port()) for variable in PORT_VARIABLES.values()},
        servers=given,
    )

    try:
        stack = local.start()
        assert requests.get(f"{stack.web_url}/health/", timeout=10).status_code == 200
    finally:
        local.stop()

    assert f"DATABASE_URL: {HOST}:{urlsplit(users_database).port}" in output.getvalue()
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "redis").exists()
    connection = psycopg2.connect(users_database)
    with connection.cursor() as cursor:
        cursor.execute("SELECT code FROM sites_site")
        assert cursor.fetchall() == [(DEMO_SITE,)]
    connection.close()
    assert given_redis(given) == redis_url
