"""Callbacks, sweepers, signals, commands and actions in one process: the named error, and no scope of another."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Task, current_app
from django.core.management import call_command, get_commands
from django.core.management.base import BaseCommand
from django.core.signals import request_finished
from django.db import transaction
from django.db.models.signals import post_save

from apps.idempotency.models import IdempotencyKey
from apps.sites import scope
from apps.sites.models import Asset
from apps.sites.scope import (
    NestedSiteScope,
    SiteScopeMissing,
    active_site_id,
    bind_site,
    bound_site_id,
    current_site_id,
    site_scope,
)
from apps.sites.scoped_admin.actions import EntryAction, _performed
from apps.sites.scoped_admin.place import StaffPlace
from apps.sites.tasks import FanOutTask, SiteTask, sweep_sites
from tests.factories import in_site, make_asset
from tests.isolation.background import worker_tasks
from tests.isolation.conftest import TwoSites


def _codes() -> list[str]:
    return [asset.code for asset in Asset.objects.all()]


@pytest.mark.isolation("on_commit")
def test_rows_in_a_callback_after_commit_raise(sites: TwoSites) -> None:
    with pytest.raises(SiteScopeMissing), bind_site(sites.here.id), site_scope():
        transaction.on_commit(_codes)


@pytest.mark.isolation("on_commit")
def test_a_lazy_queryset_in_a_callback_raises(sites: TwoSites) -> None:
    with pytest.raises(SiteScopeMissing), site_scope(sites.here.id):
        lazy = Asset.objects.all()
        transaction.on_commit(lambda: list(lazy))


@pytest.mark.isolation("on_commit")
def test_a_callback_opens_the_bound_sites_scope_and_no_other(sites: TwoSites) -> None:
    seen: list[Any] = []

    def callback() -> None:
        with site_scope():
            seen.append(_codes())
        with pytest.raises(NestedSiteScope), site_scope(sites.there.id):
            pass

    with bind_site(sites.here.id), site_scope():
        transaction.on_commit(callback)
    assert seen == [["MINE"]]


@pytest.mark.isolation("on_commit")
def test_a_callback_of_a_rolled_back_savepoint_is_gone(sites: TwoSites) -> None:
    seen: list[str] = []
    with site_scope(sites.here.id):
        with pytest.raises(ZeroDivisionError), site_scope():
            transaction.on_commit(lambda: seen.append("undone"))
            _ = 1 / 0
        transaction.on_commit(lambda: seen.append("done"))
    assert seen == ["done"]


@pytest.mark.isolation("tasks")
def test_every_task_of_ours_has_one_of_the_two_bases() -> None:
    current_app.loader.import_default_modules()
    ours = {name: task for name, task in current_app.tasks.items() if name.startswith("apps.")}
    assert ours
    assert [name for name, task in ours.items() if not isinstance(task, SiteTask | FanOutTask)] == []
    takes_site = {
        n for n, task in ours.items() if list(inspect.signature(task.run).parameters)[:1] == ["site_id"]
    }
    assert takes_site == {name for name, task in ours.items() if isinstance(task, SiteTask)}


@pytest.mark.isolation("tasks")
def test_a_task_of_another_site_is_refused_inside_a_scope(sites: TwoSites) -> None:
    with site_scope(sites.here.id), pytest.raises(NestedSiteScope):
        worker_tasks.of_site(str(sites.there.id), "nobody")


@pytest.mark.isolation("tasks")
def test_a_binding_does_not_outlive_a_task_that_fails(sites: TwoSites) -> None:
    with pytest.raises(TypeError):
        worker_tasks.of_site(str(sites.here.id))
    assert (bound_site_id(), active_site_id()) == (None, None)


@pytest.mark.isolation("chain", control=True)
@pytest.mark.isolation("retry", control=True)
def test_a_binding_that_stayed_would_serve_the_next_task(
    sites: TwoSites, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: the bases reset what they bind; a task that only binds leaves it to whatever runs next."""
    seen: list[Any] = []
    monkeypatch.setattr(worker_tasks, "tell", lambda _answer, said: seen.append(said))
    token = scope._bound.set(sites.here.id)
    try:
        worker_tasks.plain("answer")
    finally:
        scope._bound.reset(token)
    assert seen == [[str(sites.here.id), "SiteScopeMissing", ["MINE"]]]


def _due(*sites: Any) -> None:
    for site in sites:
        with in_site(site):
            IdempotencyKey.objects.create(
                caller="c",
                operation="o",
                key=str(site.id),
                body_sha256="0" * 64,
                lease_until="2020-01-01T00:00Z",
            )


@pytest.mark.isolation("tasks")
def test_a_sweep_that_forgets_its_scope_handles_nothing(
    sites: TwoSites, caplog: pytest.LogCaptureFixture
) -> None:
    _due(sites.here, sites.there)
    assert sweep_sites("idempotency", lambda: len(_codes())) == (0, False)
    assert caplog.text.count("SiteScopeMissing") >= 2


@pytest.mark.isolation("tasks")
def test_a_sweep_goes_from_site_to_site_with_nothing_of_the_last(sites: TwoSites) -> None:
    _due(sites.here, sites.there)
    seen: list[Any] = []

    def work() -> int:
        with site_scope():
            seen.append((current_site_id(), _codes()))
            raise RuntimeError("fails inside its scope")

    sweep_sites("idempotency", work)
    assert sorted(seen) == sorted([(sites.here.id, ["MINE"]), (sites.there.id, ["THEIRS"])])
    assert bound_site_id() is None


@pytest.mark.isolation("tasks")
def test_a_queryset_kept_from_one_round_raises_in_the_next(
    sites: TwoSites, caplog: pytest.LogCaptureFixture
) -> None:
    _due(sites.here, sites.there)
    kept: list[Any] = []

    def work() -> int:
        with site_scope():
            kept.append(Asset.objects.all())
            return len(list(kept[0]))

    assert sweep_sites("idempotency", work) == (1, False)
    assert "CrossedSiteScope" in caplog.text


@pytest.mark.isolation("tasks", control=True)
def test_without_its_base_a_task_is_bound_to_nobody(sites: TwoSites, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(worker_tasks, "tell", lambda answer, said: seen.append((answer, said)))
    monkeypatch.setattr(SiteTask, "__call__", Task.__call__)
    worker_tasks.of_site(str(sites.here.id), "answer")
    assert seen == [("answer", ["None", "SiteScopeMissing", "SiteScopeMissing"])]


class _Forgetful(BaseCommand):
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> str:
        return ", ".join(_codes())


# Why each command may run without a scope of its caller's.
COMMANDS = {
    "migrate": "logs in as the migrator, and is how tables come to be",
    "provision_roles": "touches roles and rights, no row",
    "describe_environment": "writes a page from code",
    "create_site": "calls a service, which opens the new site's scope",
    "seed_demo": "calls a service, which opens the demo site's scope",
}


@pytest.mark.isolation("commands and signals")
def test_a_command_that_forgets_its_scope_raises(sites: TwoSites) -> None:
    with pytest.raises(SiteScopeMissing):
        call_command(_Forgetful())


@pytest.mark.isolation("commands and signals")
def test_no_command_of_ours_reads_rows_itself() -> None:
    ours = {name for name, app in get_commands().items() if str(app).startswith("apps.")}
    assert set(COMMANDS) <= ours
    for name in ours - {"migrate", "provision_roles"}:
        module = inspect.getsource(inspect.getmodule(_command(name)))  # type: ignore[arg-type]
        assert ".objects" not in module, f"{name}: call a service or query, which opens a scope"
        assert "cursor(" not in module, f"{name}: call a service or query, which opens a scope"


def _command(name: str) -> type:
    from django.core.management import load_command_class

    return type(load_command_class(str(get_commands()[name]), name))


@pytest.fixture
def on_signal() -> Iterator[Callable[[Any, Callable[..., Any]], None]]:
    connected: list[tuple[Any, Callable[..., Any]]] = []

    def connect(signal: Any, handler: Callable[..., Any]) -> None:
        signal.connect(handler)
        connected.append((signal, handler))

    yield connect
    for signal, handler in connected:
        signal.disconnect(handler)


@pytest.mark.isolation("commands and signals")
def test_a_signal_handler_works_in_its_senders_scope(sites: TwoSites, on_signal: Any) -> None:
    seen: list[Any] = []
    on_signal(post_save, lambda sender, **_: seen.append(_codes()) if sender is Asset else None)
    make_asset(sites.here, "NEW")
    assert seen == [["MINE", "NEW"]]


@pytest.mark.isolation("commands and signals")
def test_a_signal_handler_outside_every_scope_raises(sites: TwoSites, on_signal: Any) -> None:
    on_signal(request_finished, lambda **_: _codes())
    with pytest.raises(SiteScopeMissing):
        request_finished.send(sender=None)


class _Looks(EntryAction):
    name, title = "looks", "looks"

    def perform(self, **_: Any) -> Any:
        return _codes()


@pytest.mark.isolation("commands and signals")
def test_an_admin_action_runs_bound_and_without_a_scope(sites: TwoSites) -> None:
    place = StaffPlace(sites.here.id, "NA", "n", sites.mine.id, "Operator", may_write=True, may_approve=False)
    with bind_site(sites.here.id), pytest.raises(SiteScopeMissing):
        _performed(_Looks(), place, [], {})


@pytest.mark.isolation("on_commit", control=True)
def test_inside_the_scope_the_same_callback_does_see_rows(sites: TwoSites) -> None:
    """Negative control: it is the missing scope, and nothing else, that the callback's error is about."""
    with site_scope(sites.here.id):
        assert _codes() == ["MINE"]


@pytest.mark.isolation("commands and signals", control=True)
def test_without_row_security_and_guard_a_command_reads_every_site(
    sites: TwoSites, spoil: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.isolation.conftest import make_two_sites

    make_two_sites()
    spoil("ALTER TABLE sites_asset DISABLE ROW LEVEL SECURITY")
    monkeypatch.setattr("apps.sites.postgresql.compiler.site_tables", frozenset)
    assert _Forgetful().handle() == "MINE, THEIRS"
