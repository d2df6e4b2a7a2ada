"""A real worker process with one child: what one task was bound to, the next one on its connection is not."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import chain, group, signature

from tests.isolation.background.worker_tasks import PREFIX
from tests.isolation.conftest import TwoSites
from tests.servers import BACKEND, REPOSITORY
from tests.waiting import wait_until
from tests.workers import WorkerProcess

UNBOUND = ["None", "SiteScopeMissing", "SiteScopeMissing"]
ANSWER = "isolation-answers"


@pytest.fixture(scope="session")
def _one_child() -> Iterator[WorkerProcess]:
    worker = WorkerProcess(
        "isolation",
        options=("--concurrency=1", "--include=tests.isolation.background.worker_tasks"),
        environment={"PYTHONPATH": f"{BACKEND}{os.pathsep}{REPOSITORY}"},
    )
    yield worker
    worker.stop()


@pytest.fixture
def worker(_one_child: WorkerProcess, sites: TwoSites) -> Iterator[WorkerProcess]:
    if _one_child.running():
        _one_child.listen()
    else:
        _one_child.start()
    yield _one_child
    _one_child.deafen()
    _one_child.wait_idle()


def _task(name: str, *args: str) -> Any:
    return signature(f"{PREFIX}{name}", args=args, immutable=True)


def _of(site: Any) -> list[Any]:
    return [str(site.id), "SiteScopeMissing", ["MINE"] if site.code == "NA" else ["THEIRS"]]


def _answers(count: int) -> list[Any]:
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        wait_until(lambda: client.llen(ANSWER) >= count, 20.0, f"{count} answers of the worker")
        return [json.loads(each) for each in client.lrange(ANSWER, 0, -1)]


@pytest.mark.isolation("tasks")
@pytest.mark.parametrize("name", ["plain", "fan_out"])
def test_a_task_without_a_site_sees_nothing(sites: TwoSites, worker: WorkerProcess, name: str) -> None:
    _task(name, ANSWER).apply_async()
    assert _answers(1) == [UNBOUND]


@pytest.mark.isolation("tasks")
@pytest.mark.isolation("pooled connection")
def test_tasks_on_one_connection_see_their_own_site(sites: TwoSites, worker: WorkerProcess) -> None:
    here, there = str(sites.here.id), str(sites.there.id)
    for task in (
        _task("of_site", here, ANSWER),
        _task("plain", ANSWER),
        _task("of_site", there, ANSWER),
        _task("fan_out", ANSWER),
        _task("of_site", here, ANSWER),
    ):
        task.apply_async()
    assert _answers(5) == [_of(sites.here), UNBOUND, _of(sites.there), UNBOUND, _of(sites.here)]


@pytest.mark.isolation("tasks")
@pytest.mark.parametrize("wrong", ["", "x", "NA", "None"])
def test_a_task_of_a_malformed_site_does_not_run(sites: TwoSites, worker: WorkerProcess, wrong: str) -> None:
    _task("of_site", wrong, ANSWER).apply_async()
    _task("plain", ANSWER).apply_async()
    assert _answers(1) == [UNBOUND]


@pytest.mark.isolation("chain")
@pytest.mark.parametrize("second", ["plain", "fan_out"])
def test_the_second_step_of_a_chain_has_no_scope_of_the_first(
    sites: TwoSites, worker: WorkerProcess, second: str
) -> None:
    chain(_task("of_site", str(sites.here.id), ANSWER), _task(second, ANSWER)).apply_async()
    assert _answers(2) == [_of(sites.here), UNBOUND]


@pytest.mark.isolation("chain")
def test_each_step_of_a_chain_is_of_its_own_site(sites: TwoSites, worker: WorkerProcess) -> None:
    steps = [_task("of_site", str(site.id), ANSWER) for site in (sites.here, sites.there, sites.here)]
    chain(*steps).apply_async()
    assert _answers(3) == [_of(sites.here), _of(sites.there), _of(sites.here)]


@pytest.mark.isolation("chain")
def test_a_group_of_two_sites_stays_apart(sites: TwoSites, worker: WorkerProcess) -> None:
    group(_task("of_site", str(site.id), ANSWER) for site in (sites.here, sites.there)).apply_async()
    assert sorted(_answers(2)) == sorted([_of(sites.here), _of(sites.there)])


@pytest.mark.isolation("retry")
def test_a_retry_has_its_own_scope_again(sites: TwoSites, worker: WorkerProcess) -> None:
    _task("again", str(sites.here.id), ANSWER).apply_async()
    _task("of_site", str(sites.there.id), ANSWER).apply_async()
    answers = _answers(3)
    assert answers.count([str(sites.here.id), ["MINE"]]) == 2
    assert answers.count(_of(sites.there)) == 1


@pytest.mark.isolation("retry")
def test_what_runs_after_a_failed_try_is_bound_to_nobody(sites: TwoSites, worker: WorkerProcess) -> None:
    _task("again", str(sites.here.id), ANSWER).apply_async()
    _task("plain", ANSWER).apply_async()
    assert UNBOUND in _answers(3)


@pytest.mark.isolation("retry")
def test_a_message_that_comes_twice_is_twice_of_its_site(sites: TwoSites, worker: WorkerProcess) -> None:
    for _ in range(2):
        _task("of_site", str(sites.there.id), ANSWER).apply_async(task_id="the-same")
    assert _answers(2) == [_of(sites.there), _of(sites.there)]
