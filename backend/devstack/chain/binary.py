"""Where the chain's node is: installed once into the state directory from the pinned npm package, or on the PATH."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

_PLACE = Path(__file__).parent
_PINS = ("package.json", "package-lock.json")
_BINARY = Path("node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")
INSTALL_TIMEOUT_S = 120


class NoAnvil(Exception):
    """The chain cannot run on this machine; the message says what to install."""


def anvil_binary(state_dir: Path) -> Path:
    """The node's program, installed under ``state_dir``/chain when it is not there. Raises NoAnvil.

    `npm ci` checks the package against the hash in package-lock.json, and its scripts are not run.
    """
    home = state_dir / "chain"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in several processes: one of them installs
        if _is_current(home):
            return home / _BINARY
        fault = _install(home)
    if not fault:
        return home / _BINARY
    if own := shutil.which("anvil"):
        return Path(own)
    raise NoAnvil(
        f"The local chain needs anvil: install Node.js with npm (Linux x86_64), or Foundry's anvil on the PATH. {fault}"
    )


def _is_current(home: Path) -> bool:
    """Whether what is installed came from these very pins."""
    return (home / _BINARY).exists() and all(
        (home / name).exists() and (home / name).read_bytes() == (_PLACE / name).read_bytes()
        for name in _PINS
    )


def _install(home: Path) -> str:
    """Empty, or why it could not be installed."""
    npm = shutil.which("npm")
    if npm is None:
        return "There is no npm here."
    for name in _PINS:
        shutil.copyfile(_PLACE / name, home / name)
    try:
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=home,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"npm ci did not end within {INSTALL_TIMEOUT_S} s."
    return (
        "" if (home / _BINARY).exists() and done.returncode == 0 else f"npm ci failed: {done.stderr[-400:]}"
    )
