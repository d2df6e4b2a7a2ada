"""`make railway` reads the logs of each container; what it reads there can fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from devstack.railway.build import Image
from devstack.railway.checks import CheckFailed
from devstack.railway.deployment import Deployment, Stop
from devstack.railway.reading import applied_once, speak_json, stopped_by_itself
from devstack.railway.specs import ServiceSpec

GOOD = '{"level": "info", "message": "ready."}\n'
APPLIED = '{"level": "info", "message": "Applying core.0001_initial... OK"}\n'
IDLE = '{"level": "info", "message": "No migrations to apply."}\n'


@pytest.fixture
def that_wrote(tmp_path: Path) -> Callable[..., Deployment]:
    count = 0

    def made(text: str, errors: str = "") -> Deployment:
        nonlocal count
        count += 1
        log = tmp_path / f"{count}.log"
        log.write_text(text)
        log.with_suffix(".errors").write_text(errors)
        image = Image(app=tmp_path, venv=tmp_path, variables={})
        return Deployment(image, ServiceSpec(name="celery-beat", start="true"), {}, log)

    return made


def test_json_lines_pass(that_wrote: Callable[..., Deployment]) -> None:
    speak_json(that_wrote(GOOD * 2))


@pytest.mark.parametrize(
    ("text", "errors", "says"),
    [
        (GOOD + "celery beat v5.7.0 is starting.\n", "", "not JSON"),
        (GOOD + '{"level": "success", "message": "x"}\n', "", "not JSON"),
        (GOOD + '["level", "message"]\n', "", "not JSON"),
        (GOOD + '{"level": "error", "message": "x"}\n', "", "nothing was broken"),
        (GOOD, "SecurityWarning: running as root\n", "on stderr"),
        ("", "", "wrote nothing"),
    ],
)
def test_other_logs_fail(that_wrote: Callable[..., Deployment], text: str, errors: str, says: str) -> None:
    with pytest.raises(CheckFailed, match=says):
        speak_json(that_wrote(text, errors))


def test_one_replica_migrates(that_wrote: Callable[..., Deployment]) -> None:
    applied_once([that_wrote(APPLIED), that_wrote(IDLE)])


@pytest.mark.parametrize("texts", [(APPLIED, APPLIED), (IDLE, IDLE), (APPLIED, GOOD)])
def test_two_that_migrate_or_none_fail(that_wrote: Callable[..., Deployment], texts: tuple[str, ...]) -> None:
    with pytest.raises(CheckFailed):
        applied_once([that_wrote(text) for text in texts])


@pytest.mark.parametrize(
    "stop", [Stop(code=1, took_s=1, killed=False), Stop(code=-9, took_s=60, killed=True)]
)
def test_a_container_that_was_cut_fails(stop: Stop) -> None:
    with pytest.raises(CheckFailed, match="celery-worker"):
        stopped_by_itself({"backend": Stop(code=0, took_s=1, killed=False), "celery-worker": stop})
