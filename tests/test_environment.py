"""The test machinery itself: who we are, what is clean, and a real worker."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from django.conf import settings
from django.db import connection

from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.issuer import LocalIssuer
from devstack.stripe_sandbox import StripeSandbox
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


def test_the_sandboxes_stand_where_the_settings_look(
    stripe_sandbox: StripeSandbox, fireblocks_sandbox: FireblocksSandbox, issuer: LocalIssuer
) -> None:
    assert stripe_sandbox.base_url == settings.STRIPE_API_BASE
    assert requests.get(settings.FIREBLOCKS_JWKS_URL, timeout=5).json()["keys"]
    assert requests.get(settings.AUTH0_JWKS_URL, timeout=5).json()["keys"]
    assert issuer.mint("someone").count(".") == 2


def test_the_application_answers_over_http(app_server: str) -> None:
    assert requests.get(f"{app_server}/health/", timeout=5).json() == {"status": "healthy"}
