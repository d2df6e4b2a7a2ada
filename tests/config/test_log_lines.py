"""Secrets that get into the lines of real processes: hidden by their values, by their shape and by their name."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import urlsplit

from celery import current_app

from tests.config.test_env import COMPLETE
from tests.programs import BEAT, Program
from tests.waiting import wait_until
from tests.workers import WorkerProcess

STRIPE = "sk_live_51PLANTEDplanted"
MAIL = "planted.person@example.test"
OWN = os.environ["FIREBLOCKS_API_KEY"]  # a value without a shape, of this process and the worker alike
NAMED = "planted-by-name"


def test_a_workers_line_about_a_message_it_does_not_know(celery_worker: WorkerProcess) -> None:
    # Celery writes the whole message: arguments, headers and all.
    before = celery_worker.log_size_bytes()
    current_app.send_task("nobody.knows_it", args=[STRIPE, MAIL, OWN, {"password": NAMED}])

    wait_until(lambda: "nobody.knows_it" in celery_worker.log_text(before), 10)
    wait_until(lambda: "Traceback" in celery_worker.log_text(before), 10)

    said = celery_worker.log_text(before)
    assert "[redacted]" in said
    assert [planted for planted in (STRIPE, MAIL, OWN, NAMED) if planted in said] == []


def test_a_beat_that_waits_and_its_refused_password(tmp_path: Path, database: None) -> None:
    url = urlsplit(os.environ["DATABASE_URL"])
    planted = "another-days-password-without-a-shape"
    address = f"postgresql://{planted}:{planted}@{url.hostname}:{url.port}{url.path}"
    environment = COMPLETE | {
        "DJANGO_SETTINGS_MODULE": "config.settings.railway",
        "DATABASE_URL": os.environ["DATABASE_URL"],
        "DATABASE_APP_URL": address,  # PostgreSQL's refusal names the login: here it is the secret too
        "REDIS_URL": os.environ["REDIS_URL"],
    }
    beat = Program(tmp_path / "beat.log", BEAT, environment)
    try:
        beat.says("Waiting for the database, try 2")
    finally:
        beat.kill()

    lines = [json.loads(line) for line in beat.text().splitlines()]
    waiting = next(line for line in lines if "Waiting for the database" in line["message"])
    assert waiting["level"] == "warning"
    assert waiting["timestamp"]
    assert 'failed for user "[redacted]"' in waiting["message"]
    assert planted not in beat.text()
