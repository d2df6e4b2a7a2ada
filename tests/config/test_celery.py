"""Celery's settings are spelt as Celery reads them, and a task finds its request id and a live connection."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery.app.defaults import NAMESPACES, flatten
from django.conf import settings
from django.db import connection
from kombu.transport.redis import Channel

from apps.core.context import current_request_id
from apps.core.doorbells import REQUEST_ID_HEADER
from config.celery import app, bind_request, unbind_request


def test_celerys_names_of_the_settings_are_spelt_right() -> None:
    known = {option[0] for option in flatten(NAMESPACES)}
    ours = {name for name in dir(settings) if name.startswith("CELERY_")}

    unknown = {name for name in ours if name.removeprefix("CELERY_").lower() not in known}
    assert unknown == {"CELERY_DB_REUSE_MAX"}  # the Django fixup's own word
    assert app.conf.get("CELERY_DB_REUSE_MAX") == 100


def test_the_transport_knows_its_options() -> None:
    assert set(settings.CELERY_BROKER_TRANSPORT_OPTIONS) <= set(Channel.from_transport_options)


def test_a_task_ends_before_its_message_is_delivered_again() -> None:
    assert app.conf.task_soft_time_limit < app.conf.task_time_limit
    assert app.conf.task_time_limit < app.conf.broker_transport_options["visibility_timeout"]


@pytest.mark.parametrize(
    ("headers", "bound"), [({REQUEST_ID_HEADER: "req-12345678"}, "req-12345678"), ({}, "t1")]
)
def test_a_task_carries_the_id_of_its_request_or_its_own(
    database: None, headers: dict[str, str], bound: str
) -> None:
    task: Any = SimpleNamespace(request=headers)

    bind_request(task_id="t1", task=task)
    assert current_request_id() == bound
    unbind_request(task_id="t1")
    assert current_request_id() == ""


def test_a_task_after_the_database_restarted_gets_a_new_connection(
    database: None, admin_connection: Any
) -> None:
    connection.ensure_connection()
    with admin_connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    task: Any = SimpleNamespace(request={})

    bind_request(task_id="t2", task=task)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
    finally:
        unbind_request(task_id="t2")
