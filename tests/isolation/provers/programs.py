"""The outside provers, in their own virtual environment (`make isolation` installs it)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from apps.sites.catalogue import DEFINER_FUNCTIONS
from apps.sites.siteless import SITELESS
from tests.servers import REPOSITORY

PROGRAMS = REPOSITORY / ".venv-provers" / "bin"
RULES = REPOSITORY / ".ci"
TIMEOUT_S = 120


def installed() -> bool:
    """Whether `make isolation` has installed them."""
    return (PROGRAMS / "pgrls").exists() and (PROGRAMS / "squawk").exists()


def pgrls_settings(directory: Path, definers: list[str]) -> Path:
    """.ci/provers.pgrls.toml with our own lists in it. `definers` are the functions that exist."""
    known = [name for name in definers if any(_like(name, pattern) for pattern in DEFINER_FUNCTIONS)]
    added = [
        "[lint.rules.SEC001]",
        f"allowlist = {json.dumps([f'public.{table}' for table in SITELESS])}",
        "[lint.rules.SEC014]",
        f"allowlist = {json.dumps([f'public.{name}' for name in known])}",
    ]
    made = directory / "pgrls.toml"
    made.write_text("\n".join([(RULES / "provers.pgrls.toml").read_text(), *added]))
    return made


def pgrls(command: str, *, url: str, settings: Path, options: tuple[str, ...] = ()) -> tuple[int, Any]:
    """Run `pgrls <command>` on a database; returns (exit status, its JSON)."""
    words: list[str | Path] = [
        PROGRAMS / "pgrls",
        command,
        "--database-url",
        url,
        "--config",
        settings,
        "--format",
        "json",
        *options,
    ]
    done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    if not done.stdout.strip():
        raise RuntimeError(f"pgrls {command}: {done.stderr}")
    return done.returncode, json.loads(done.stdout)


def squawk(sql: str) -> tuple[int, set[str]]:
    """Look at the statements of one migration; returns (exit status, names of the rules that refuse them)."""
    words: list[str | Path] = [PROGRAMS / "squawk", "-c", RULES / "provers.squawk.toml", "--reporter", "json"]
    done = subprocess.run(words, input=sql, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    found = json.loads(done.stdout or "[]")
    return done.returncode, {each["rule_name"] for each in found}


def _like(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("%") else name == pattern
