"""Runs the phases of a Nixpacks plan in a scratch directory, as the builder would in its image."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devstack.railway.nixpacks import VENV, Phase, Plan

BUILD_TIMEOUT_S = 540


class BuildFailedError(Exception):
    """A command of a phase failed; the message names it and holds the end of what it wrote."""


@dataclass(frozen=True)
class Image:
    """What a build leaves: `app` is /app, `venv` is /opt/venv, `variables` are set in every process of it."""

    app: Path
    venv: Path
    variables: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """The environment before Railway adds the service's variables; nothing of this machine's but the programs."""
        programs = f"{self.venv / 'bin'}:{os.defpath}"
        return {"PATH": programs, "HOME": str(self.app), "LANG": "C.UTF-8", **self.variables}

    def here(self, command: str) -> str:
        """A command of the image, with its two fixed places replaced by those of the scratch directory."""
        return command.replace(VENV, str(self.venv)).replace("/app/", f"{self.app}/")


def build_image(
    repository: Path, scratch: Path, plan: Plan, *, variables: Mapping[str, str], layers: Path
) -> Image:
    """Run the plan's phases below `scratch`; `variables` are the service's. Raises BuildFailedError.

    `layers` keeps what was installed, as a builder's cache does: the same commands and requirements are not run twice.
    """
    files = _tracked(repository)
    layer = layers / _key_of_install(repository, files, plan)
    image = Image(app=scratch / "app", venv=layer / "venv", variables=plan.variables)
    image.app.mkdir(parents=True)
    for name, phase in plan.ordered():
        _copy(repository, image.app, files, phase)
        if name != "install":
            _run_phase(image, phase, variables)
            continue
        with _held(layers):
            if not (layer / "whole").exists():
                shutil.rmtree(layer, ignore_errors=True)
                _forget_all_but(layer)
                layer.mkdir()
                _run_phase(image, phase, variables)
                (layer / "whole").touch()
    return image


def _key_of_install(repository: Path, files: Sequence[str], plan: Plan) -> str:
    parts = [sys._base_executable, repr(plan.phases.get("install"))]  # type: ignore[attr-defined]
    parts += [(repository / name).read_text() for name in files if name.startswith("requirements/")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@contextmanager
def _held(layers: Path) -> Iterator[None]:
    layers.mkdir(parents=True, exist_ok=True)
    with (layers / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _forget_all_but(layer: Path) -> None:
    for other in layer.parent.iterdir():
        if other.is_dir() and other != layer:
            shutil.rmtree(other, ignore_errors=True)


def _tracked(repository: Path) -> list[str]:
    """What Railway would fetch: files that Git knows, and new ones that it does not ignore."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        check=True,
    )
    return sorted(
        name for name in listed.stdout.decode().split("\0") if name and (repository / name).is_file()
    )


def _copy(repository: Path, app: Path, files: Sequence[str], phase: Phase) -> None:
    included = phase.only_include_files
    for name in files:
        if included is not None and "." not in included and name not in included:
            continue
        target = app / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, target)


def _run_phase(image: Image, phase: Phase, variables: Mapping[str, str]) -> None:
    # The image has a `python` of its own; here it is the one that runs this, in a directory that holds nothing else.
    programs = image.app.parent / "programs"
    programs.mkdir(exist_ok=True)
    if not (programs / "python").exists():
        (programs / "python").symlink_to(sys._base_executable)  # type: ignore[attr-defined]  # of the venv's Python
    # How packages are fetched is this machine's affair, not the image's.
    mine = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("PIP_", "SSL_")) or name == "HOME"
    }
    environment = {**image.environment(), "PIP_NO_CACHE_DIR": "", **mine, **variables}
    environment["PATH"] = f"{programs}:{os.defpath}"
    for command in phase.cmds or ():
        done = subprocess.run(
            ["/bin/bash", "-c", image.here(command)],
            cwd=image.app,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BUILD_TIMEOUT_S,
            check=False,
        )
        if done.returncode:
            raise BuildFailedError(f"`{command}` failed ({done.returncode}):\n{done.stdout[-3000:]}")
