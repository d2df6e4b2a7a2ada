"""Workers that a journey starts and kills when it wants to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.workers import WorkerProcess

StartWorker = Callable[..., WorkerProcess]


@pytest.fixture
def nobody_works(database: None, _worker_process: WorkerProcess) -> None:
    """The worker that tests share is stopped; the next test that wants it starts it again."""
    _worker_process.stop()


@pytest.fixture
def start_worker(nobody_works: None) -> Iterator[StartWorker]:
    """`start_worker(name, **environment)`: a running worker; what is left of it ends with the test."""
    started: list[WorkerProcess] = []

    def start(name: str, **environment: str) -> WorkerProcess:
        worker = WorkerProcess(name, environment=environment)
        started.append(worker)
        return worker.start()

    yield start
    for worker in started:
        worker.kill()
