"""The test machinery itself: who we are, what is clean, and a real worker."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from tests.workers import WorkerProcess


def test_the_default_connection_is_the_app_login(database: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_user, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = session_user"
        )
        row = cursor.fetchone()

    assert row == ("posx_app", False, False)


@pytest.mark.parametrize("turn", [1, 2])
def test_a_test_finds_nothing_of_the_one_before(admin_connection: Any, turn: int) -> None:
    with admin_connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_session")
        assert cursor.fetchone() == (0,)
        cursor.execute("INSERT INTO django_session VALUES ('k', 'left behind', now())")


def test_a_killed_worker_is_started_again(celery_worker: WorkerProcess) -> None:
    celery_worker.kill()

    assert not celery_worker.running()
    assert celery_worker.start().running()
