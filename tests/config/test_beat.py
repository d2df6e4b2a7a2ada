"""Beats as real processes: one sends, the other takes over without repeating."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from devstack.processes import spawn, stop_group
from tests.servers import BACKEND
from tests.waiting import wait_until

COMMAND = "-A config beat --loglevel=info --scheduler django_celery_beat.schedulers:DatabaseScheduler"
SENDING = "Scheduler: Sending due task often"


class Beat:
    def __init__(self, log: Path) -> None:
        self.log = log
        command = [sys.executable, "-m", "celery", *COMMAND.split()]
        with log.open("wb") as output:
            self.process: subprocess.Popen[bytes] = spawn(
                command, output=output, cwd=BACKEND, env={**os.environ, "PYTHONPATH": str(BACKEND)}
            )

    def text(self) -> str:
        return self.log.read_text()

    def says(self, words: str, times: int = 1) -> None:
        wait_until(lambda: self.text().count(words) >= times, 20, f"{words!r} in\n{self.text()}")

    def end(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            stop_group(self.process.pid, signals=((number, 10.0), (signal.SIGKILL, 5.0)))
        self.process.wait(timeout=10)


@pytest.fixture
def start_beat(database: None, tmp_path: Path) -> Iterator[Callable[[], Beat]]:
    forget()
    every_second, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.SECONDS)
    PeriodicTask.objects.create(name="often", task="apps.vesting.tasks.unlock_due", interval=every_second)
    started: list[Beat] = []

    def start() -> Beat:
        started.append(Beat(tmp_path / f"beat{len(started)}.log"))
        return started[-1]

    yield start
    for beat in started:
        beat.end(signal.SIGKILL)
    forget()


def forget() -> None:
    PeriodicTask.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM core_beat_lease")


def test_of_two_beats_one_sends_and_the_other_stands_by(start_beat: Callable[[], Beat]) -> None:
    first = start_beat()
    first.says("beat: leading")
    second = start_beat()
    second.says("standing by: another beat leads")

    first.says(SENDING, times=3)

    assert SENDING not in second.text()
    assert second.text().count("standing by") == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_other_takes_over_and_repeats_nothing(
    start_beat: Callable[[], Beat], number: signal.Signals
) -> None:
    first = start_beat()
    first.says(SENDING)
    second = start_beat()
    second.says("standing by")

    first.end(number)
    second.says(SENDING, times=2)

    sent = sent_by(first, second)
    task = PeriodicTask.objects.get(name="often")
    # Each sending read the count that the one before had written: none was sent from an old memory.
    assert sent - 1 <= task.total_run_count <= sent_by(first, second)
    assert ("lease released" in first.text()) is (number is signal.SIGTERM)


def sent_by(*beats: Beat) -> int:
    return sum(beat.text().count(SENDING) for beat in beats)


def test_a_beat_whose_lease_was_taken_sends_nothing_more(start_beat: Callable[[], Beat]) -> None:
    beat = start_beat()
    beat.says(SENDING)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_beat_lease SET holder = 'somebody', expires_at = clock_timestamp() + interval '1 hour'"
        )
    beat.says("lost the lease")
    sent = beat.text().count(SENDING)

    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_beat_lease SET expires_at = clock_timestamp() + interval '2 seconds'")
    beat.says("beat: leading", times=2)
    before, _, after = beat.text().partition("lost the lease")

    assert before.count(SENDING) == sent
    assert SENDING not in after.partition("beat: leading")[0]


def test_a_beat_without_a_database_waits_for_it(
    start_beat: Callable[[], Beat], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://postgres:x@127.0.0.1:1/none")
    beat = start_beat()

    beat.says("Waiting for the database, try 1, next in 0.5 s: Database connection failed")

    assert beat.process.poll() is None


def test_the_schedule_ends_up_in_the_database(start_beat: Callable[[], Beat]) -> None:
    start_beat().says("beat: Starting...")

    rows = {task.name: task for task in PeriodicTask.objects.select_related("crontab", "interval")}
    assert set(settings.CELERY_BEAT_SCHEDULE) <= set(rows)
    assert str(rows["unlock-vesting-releases"].crontab).startswith("0 0 * * *")
    for name in settings.CELERY_BEAT_SCHEDULE:
        assert rows[name].expire_seconds, name
