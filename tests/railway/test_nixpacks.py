"""Which commands each service gets from Nixpacks, by its merge rules; and that the rules are Nixpacks' own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from devstack.railway.nixpacks import Phase, Plan, plan_of
from devstack.railway.specs import SEED, procfile_services
from tests.servers import REPOSITORY

OUR_FILES = ("Procfile", "nixpacks.toml", "pyproject.toml", ".python-version")
SEED_BUILD = "pip install --upgrade pip && pip install -r backend/requirements/production.txt"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in OUR_FILES:
        shutil.copy(REPOSITORY / name, tmp_path / name)
    return tmp_path


def test_the_order_is_provider_procfile_file_variables_settings(tmp_path: Path) -> None:
    (tmp_path / "main.py").touch()
    assert plan_of(tmp_path).start == "python main.py"
    (tmp_path / "Procfile").write_text("worker: w\nweb: p\n")
    assert plan_of(tmp_path).start == "p"
    (tmp_path / "nixpacks.toml").write_text('[start]\ncmd = "f"\n')
    assert plan_of(tmp_path).start == "f"
    variables = {"NIXPACKS_START_CMD": "v"}
    assert plan_of(tmp_path, variables=variables).start == "v"
    assert plan_of(tmp_path, settings=Plan(start="s"), variables=variables).start == "s"


def test_dots_stand_for_what_was_there_and_anything_else_replaces_it() -> None:
    """As the examples of merge.rs and utils.rs."""
    before = Phase(cmds=("a", "b"))

    assert before.merged(Phase(cmds=("x", "...", "z"))).cmds == ("x", "...", "a", "b", "z")
    assert before.merged(Phase(cmds=("x",))).cmds == ("x",)
    assert before.merged(Phase()).cmds == ("a", "b")


def test_a_procfile_without_web_gives_the_worker_and_then_the_first_by_name(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("beat: b\nworker: w\n")
    assert plan_of(tmp_path).start == "w"
    (tmp_path / "Procfile").write_text("zeta: z\nbeat: b\n")
    assert plan_of(tmp_path).start == "b"


def test_a_release_line_would_run_in_the_build(copy: Path) -> None:
    procfile = copy / "Procfile"
    procfile.write_text(procfile.read_text() + "release: cd backend && python manage.py migrate\n")

    assert [name for name, _ in plan_of(copy).ordered()][-1] == "release"


def test_install_and_build_are_ours_for_every_service() -> None:
    plan = plan_of(REPOSITORY)

    assert [name for name, _ in plan.ordered()] == ["setup", "install", "build"]
    (install,) = plan.phases["install"].cmds or ()
    assert "pip install --require-hashes -r requirements/production.txt" in install
    assert plan.phases["install"].paths == ("/opt/venv/bin",)
    build = plan.phases["build"].cmds or ()
    assert [word in " ".join(build) for word in ("collectstatic", "compileall", "COMMIT")] == [True] * 3


def test_the_requirements_are_there_when_they_are_installed(copy: Path) -> None:
    """Nixpacks' Python phase would copy pyproject.toml alone; without our list that stays in force."""
    assert plan_of(copy).phases["install"].only_include_files == (".",)

    file = copy / "nixpacks.toml"
    file.write_text(file.read_text().replace('onlyIncludeFiles = ["."]\n', ""))
    assert plan_of(copy).phases["install"].only_include_files == ("pyproject.toml",)


def test_without_our_file_the_install_would_be_that_of_a_package(copy: Path) -> None:
    (copy / "nixpacks.toml").unlink()

    assert (plan_of(copy).phases["install"].cmds or ("",))[0].endswith("pip install .")


@pytest.mark.parametrize("service", SEED)
def test_each_service_starts_what_its_settings_say_and_web_without_any(service: str) -> None:
    """Settings of the dashboard; a service that has none starts the Procfile's web, worker and beat included."""
    assert plan_of(REPOSITORY, settings=Plan(start=SEED[service])).start == SEED[service]
    assert plan_of(REPOSITORY).start == procfile_services(REPOSITORY)["backend"]


def test_the_seeds_own_build_command_replaces_the_build_phase_and_keeps_the_install() -> None:
    plan = plan_of(REPOSITORY, settings=Plan(phases={"build": Phase(cmds=(SEED_BUILD,))}))

    assert plan.phases["build"].cmds == (SEED_BUILD,)
    assert "requirements/production.txt" in (plan.phases["install"].cmds or ("",))[0]
