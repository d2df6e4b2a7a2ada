"""What import-linter cannot see: foreign keys go down too, and tasks are named by names that exist."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest
from celery import current_app
from django.apps import apps
from django.conf import settings

from apps.sites.tasks import FanOutTask, SiteTask
from tests.servers import BACKEND

ROOMS = [
    "core",
    "sites",
    "audit",
    "idempotency",
    "accounts",
    "payouts",
    "vesting",
    "tiers",
    "orders",
    "webhooks",
    "subscriptions",
    "operations",
]
OURS = [model for model in apps.get_models() if model.__module__.startswith("apps.")]


def _python_files() -> list[Path]:
    return [path for path in (BACKEND / "apps").rglob("*.py") if "migrations" not in path.parts]


def test_every_room_is_an_app() -> None:
    assert {config.label for config in apps.get_app_configs() if config.name.startswith("apps.")} == set(
        ROOMS
    )


@pytest.mark.parametrize("model", OURS, ids=lambda model: model._meta.label)
def test_foreign_keys_point_down(model: type) -> None:
    here = ROOMS.index(model._meta.app_label)  # type: ignore[attr-defined]
    for field in model._meta.local_fields:  # type: ignore[attr-defined]
        if field.related_model is not None and field.related_model.__module__.startswith("apps."):
            assert ROOMS.index(field.related_model._meta.app_label) <= here, field


def test_room_names_are_not_drawers() -> None:
    drawers = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert [path for path in _python_files() if path.name in drawers] == []


def _rung_names() -> set[str]:
    """First arguments of every ``ring(...)`` in the product, constants of the same module resolved."""
    return {name for path in _python_files() for name in _rung_in(path)}


def _rung_in(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ring":
            first = node.args[0]
            name = first.value if isinstance(first, ast.Constant) else None
            if isinstance(first, ast.Name):
                module = ".".join(path.relative_to(BACKEND).with_suffix("").parts)
                name = getattr(import_module(module), first.id, None)
            assert isinstance(name, str), f"{path}:{node.lineno}: ring() is given a name that cannot be read"
            names.append(name)
    return names


def _registered() -> set[str]:
    current_app.loader.import_default_modules()
    return {name for name in current_app.tasks if name.startswith("apps.")}


def test_every_doorbell_rings_a_registered_task() -> None:
    # Celery accepts unknown names in silence, and the worker throws them away.
    rung = _rung_names()
    assert rung
    assert rung <= _registered()


def test_every_beat_entry_names_a_registered_task() -> None:
    scheduled = {str(entry["task"]) for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert scheduled <= _registered()


def test_the_fixed_names_exist() -> None:
    assert {
        "apps.vesting.tasks.unlock_vesting_releases",
        "apps.vesting.tasks.reconcile_stuck_releases",
        "apps.vesting.tasks.cleanup_old_idempotency_keys",
        "apps.orders.tasks.process_order",
    } <= _registered()
    assert {"unlock-vesting-releases", "reconcile-stuck-releases", "cleanup-old-idempotency-keys"} <= set(
        settings.CELERY_BEAT_SCHEDULE
    )


def test_every_task_has_one_of_the_two_bases() -> None:
    bases = {name: type(current_app.tasks[name]).__mro__ for name in _registered()}
    assert {name for name, mro in bases.items() if SiteTask not in mro and FanOutTask not in mro} == set()


def test_every_beat_entry_expires() -> None:
    # A worker that was away must not find a day's worth of the same tick.
    entries = settings.CELERY_BEAT_SCHEDULE
    assert {name for name, entry in entries.items() if not entry["options"]["expire_seconds"] > 0} == set()
