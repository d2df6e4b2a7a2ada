"""The deployment files say what Railway understands, and nothing that hits the wrong service."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from devstack.railway.nixpacks import python_version
from devstack.railway.specs import procfile_services
from tests.railway.schema import RAILWAY_JSON
from tests.servers import REPOSITORY


def railway_json() -> Any:
    return json.loads((REPOSITORY / "railway.json").read_text())


def check(content: Any) -> None:
    Draft202012Validator(RAILWAY_JSON).validate(content)


def test_railway_json_has_documented_keys_only() -> None:
    check(railway_json())


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("deploy", "drainingSeconds", "60"),
        ("deploy", "healthCheckPath", "/health/"),
        ("build", "builder", "PAKETO"),
    ],
)
def test_the_schema_refuses_what_railway_would(section: str, key: str, value: object) -> None:
    content = copy.deepcopy(railway_json())
    content[section][key] = value

    with pytest.raises(ValidationError):
        check(content)


def test_railway_json_is_neutral() -> None:
    """It overrides the dashboard for web, worker and beat alike."""
    content = railway_json()

    of_one_service = {"startCommand", "healthcheckPath", "preDeployCommand", "cronSchedule", "limitOverride"}
    assert not of_one_service & content["deploy"].keys()
    assert "buildCommand" not in content["build"]


def test_a_worker_is_given_the_time_that_its_longest_task_takes() -> None:
    from django.conf import settings

    assert railway_json()["deploy"]["drainingSeconds"] > settings.CELERY_TASK_TIME_LIMIT


def test_the_procfile_execs_and_has_defaults_for_every_variable() -> None:
    lines = procfile_services(REPOSITORY)

    assert set(lines) == {"backend", "celery-worker", "celery-beat"}
    for line in lines.values():
        assert line.startswith("cd backend && exec ")
        assert re.findall(r"\$(?!\{[A-Z_]+:-[^}]+\})", line) == []


def test_nothing_migrates_at_build_time() -> None:
    """A Procfile's release line runs while the image is built, where no database can be reached."""
    assert "release" not in (REPOSITORY / "Procfile").read_text()
    for name in ("nixpacks.toml", "railpack.json"):
        assert "migrate " not in (REPOSITORY / name).read_text()


def test_one_python_everywhere() -> None:
    """runtime.txt would override NIXPACKS_PYTHON_VERSION by an error of Nixpacks, so there is none."""
    assert not (REPOSITORY / "runtime.txt").exists()
    assert python_version(REPOSITORY, {}) == "3.11"
    assert python_version(REPOSITORY, {"NIXPACKS_PYTHON_VERSION": "3.13"}) == "3.13"


def test_railpack_installs_and_builds_by_explicit_steps() -> None:
    content = json.loads((REPOSITORY / "railpack.json").read_text())
    install, build = content["steps"]["install"], content["steps"]["build"]

    # The requirements come as a folder: Railpack alone copies nothing but a root requirements.txt.
    assert {"src": "requirements", "dest": "requirements"} in install["commands"]
    assert {"step": "install"} in build["inputs"]
    commands = " ".join(build["commands"])
    assert all(word in commands for word in ("collectstatic", "compileall", "backend/COMMIT"))
    # Railpack puts each command between single quotes for its shell.
    assert "'" not in commands
    assert "startCommand" not in content["deploy"]
    assert {"step": "build", "include": ["."]} in content["deploy"]["inputs"]


def test_the_seeds_path_of_requirements_installs_the_pinned_list() -> None:
    seed = REPOSITORY / "backend" / "requirements" / "production.txt"
    (line,) = [row for row in seed.read_text().splitlines() if row.startswith("-r")]

    pinned = seed.parent / line.removeprefix("-r").strip()
    assert pinned.resolve() == REPOSITORY / "requirements" / "production.txt"
