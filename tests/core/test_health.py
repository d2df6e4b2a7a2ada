"""Liveness: always 200, whoever asks, without asking anything itself."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django.asserts import assertNumQueries


@pytest.mark.parametrize("host", ["healthcheck.railway.app", "testserver", "127.0.0.1:8000"])
def test_it_is_healthy_for_every_host_that_asks(host: str) -> None:
    answer = Client().get("/health/", headers={"Host": host})
    assert (answer.status_code, answer.json()) == (200, {"status": "healthy"})


def test_it_asks_no_database(database: None) -> None:
    with assertNumQueries(0):
        assert Client().get("/health/").status_code == 200


def test_it_answers_although_the_database_may_not_be_touched() -> None:
    # Without the `database` fixture pytest-django refuses every query.
    assert Client().get("/health/").status_code == 200
