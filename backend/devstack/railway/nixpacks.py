"""What Nixpacks would do with this repository: its merge rules, in little.

Written after github.com/railwayapp/nixpacks (v1.38): `plan/generator.rs` says which plans are merged in which order,
`plan/merge.rs` and `plan/utils.rs` how, `providers/python.rs` and `providers/procfile.rs` what comes without a file.
Only what can touch this repository is here: no Poetry, PDM, uv or Pipfile, and no nix packages.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

VENV = "/opt/venv"
_AUTO = ("...", "@auto")
_PYTHON_VARIABLES = {
    "PYTHONFAULTHANDLER": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONHASHSEED": "random",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PIP_NO_CACHE_DIR": "1",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_DEFAULT_TIMEOUT": "100",
}


@dataclass(frozen=True)
class Phase:
    """One step of a build. None means "says nothing": the plan merged into keeps what it has."""

    cmds: tuple[str, ...] | None = None
    depends_on: tuple[str, ...] | None = None
    only_include_files: tuple[str, ...] | None = None
    paths: tuple[str, ...] | None = None

    def merged(self, later: Phase) -> Phase:
        """This phase with what `later` says; its "..." stand for what was here."""
        return Phase(
            cmds=_fill(self.cmds, later.cmds),
            depends_on=_fill(self.depends_on, later.depends_on),
            only_include_files=_fill(self.only_include_files, later.only_include_files),
            paths=_fill(self.paths, later.paths),
        )


@dataclass(frozen=True)
class Plan:
    """What is run to build an image, in order of the phases, and what it starts."""

    phases: Mapping[str, Phase] = field(default_factory=dict)
    start: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    providers: tuple[str, ...] | None = None

    def merged(self, later: Plan) -> Plan:
        """This plan with what `later` says; a phase that is new here stands after setup or install."""
        phases = dict(self.phases)
        for name, phase in later.phases.items():
            phases[name] = (phases[name] if name in phases else _fresh(name)).merged(phase)
        return Plan(
            phases=phases,
            start=later.start or self.start,
            variables={**self.variables, **later.variables},
            providers=_fill(self.providers, later.providers),
        )

    def ordered(self) -> list[tuple[str, Phase]]:
        """Phases by what they depend on."""
        done: list[str] = []
        left = dict(self.phases)
        while left:
            ready = [
                name
                for name, phase in left.items()
                if not [each for each in phase.depends_on or () if each in left]
            ]
            if not ready:
                raise ValueError(f"These phases wait for one another: {', '.join(left)}")
            done += sorted(ready)
            for name in ready:
                del left[name]
        return [(name, self.phases[name]) for name in done]


def plan_of(
    repository: Path, *, settings: Plan | None = None, variables: Mapping[str, str] | None = None
) -> Plan:
    """The plan for `repository`.

    `settings` is what a service's own settings add (Nixpacks' command line: build and start command); `variables` are
    the service's, of which NIXPACKS_*_CMD count.
    """
    before = _file_plan(repository).merged(_environment_plan(variables or {})).merged(settings or Plan())
    providers = _pinned(_fill(_detected(repository), before.providers or ("...",))) or ()
    provided = _python_plan(repository) if "python" in providers else Plan()
    plan = provided.merged(_procfile_plan(repository)).merged(before)
    return replace(
        plan,
        phases={
            name: replace(
                phase, cmds=_pinned(phase.cmds), only_include_files=_pinned(phase.only_include_files)
            )
            for name, phase in plan.phases.items()
        },
    )


def python_version(repository: Path, variables: Mapping[str, str]) -> str:
    """Major.minor that is installed: NIXPACKS_PYTHON_VERSION, then .python-version; runtime.txt wins over the variable.

    The last is how python.rs is written: its `else if` hangs on the test of .python-version.
    """
    version = variables.get("NIXPACKS_PYTHON_VERSION")
    own, runtime = repository / ".python-version", repository / "runtime.txt"
    if version is None and own.exists():
        version = own.read_text().strip()
    elif runtime.exists():
        version = runtime.read_text().strip().removeprefix("python-")
    return ".".join((version or "3.11").split(".")[:2])


def _fill(original: tuple[str, ...] | None, later: Sequence[str] | None) -> tuple[str, ...] | None:
    if later is None:
        return original
    filled: list[str] = []
    for word in later:
        filled += [word, *(original or ())] if word in _AUTO else [word]
    return tuple(filled)


def _pinned(words: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(word for word in words if word not in _AUTO)


def _fresh(name: str) -> Phase:
    before = {"install": "setup", "build": "install"}.get(name)
    return Phase(depends_on=(before,) if before else None)


def _detected(repository: Path) -> tuple[str, ...]:
    marks = ("main.py", "requirements.txt", "pyproject.toml", "Pipfile")
    return ("python",) if any((repository / mark).exists() for mark in marks) else ()


def _python_plan(repository: Path) -> Plan:
    make = f"python -m venv --copies {VENV} && . {VENV}/bin/activate"
    install = Phase(depends_on=("setup",))
    if (repository / "requirements.txt").exists():
        install = replace(
            install, cmds=(f"{make} && pip install -r requirements.txt",), paths=(f"{VENV}/bin",)
        )
    elif (repository / "pyproject.toml").exists():
        upgrade = "pip install --upgrade build setuptools && pip install ."
        install = replace(
            install,
            cmds=(f"{make} && {upgrade}",),
            paths=(f"{VENV}/bin",),
            only_include_files=("pyproject.toml",),
        )
    start = "python main.py" if (repository / "main.py").exists() else None
    return Plan(phases={"setup": Phase(), "install": install}, start=start, variables=_PYTHON_VARIABLES)


def _procfile_plan(repository: Path) -> Plan:
    file = repository / "Procfile"
    if not file.exists():
        return Plan()
    processes: dict[str, str] = yaml.safe_load(file.read_text()) or {}
    phases = {}
    if release := processes.pop("release", ""):
        # At build time, where no database can be reached: a reason to have no such line.
        phases["release"] = Phase(cmds=("...", release), depends_on=("setup", "install", "build"))
    name = next((word for word in ("web", "worker", *sorted(processes)) if word in processes), None)
    return Plan(phases=phases, start=processes[name] if name else None)


def _file_plan(repository: Path) -> Plan:
    file = repository / "nixpacks.toml"
    content = tomllib.loads(file.read_text()) if file.exists() else {}
    providers = content.get("providers")
    return Plan(
        phases={name: _phase(given) for name, given in content.get("phases", {}).items()},
        start=content.get("start", {}).get("cmd"),
        variables=content.get("variables", {}),
        providers=None if providers is None else tuple(providers),
    )


def _phase(given: Mapping[str, Sequence[str]]) -> Phase:
    def words(name: str) -> tuple[str, ...] | None:
        return tuple(given[name]) if name in given else None

    return Phase(words("cmds"), words("dependsOn"), words("onlyIncludeFiles"), words("paths"))


def _environment_plan(variables: Mapping[str, str]) -> Plan:
    phases = {}
    for name, variable in (("install", "NIXPACKS_INSTALL_CMD"), ("build", "NIXPACKS_BUILD_CMD")):
        if command := variables.get(variable):
            phases[name] = replace(_fresh(name), cmds=(command,))
    return Plan(phases=phases, start=variables.get("NIXPACKS_START_CMD"))
