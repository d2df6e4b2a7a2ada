"""The outside provers, in their own virtual environment (`make isolation` installs it)."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from apps.sites.catalogue import DEFINER_FUNCTIONS
from apps.sites.siteless import SITELESS
from tests.servers import REPOSITORY

PROGRAMS = REPOSITORY / ".venv-provers" / "bin"
RULES = REPOSITORY / ".ci"
TIMEOUT_S = 120
# squawk does not tell switching row security on, which every new table does, from switching it off.
_ENABLED = re.compile(r'^ALTER TABLE [\w."]+ (?:ENABLE|FORCE) ROW LEVEL SECURITY;$', re.MULTILINE)


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


def squawk(sql: str) -> set[str]:
    """The rules of .ci/provers.squawk.toml that refuse the statements of one migration."""
    settings = RULES / "provers.squawk.toml"
    words: list[str | Path] = [PROGRAMS / "squawk", "-c", settings, "--reporter", "json"]
    done = subprocess.run(
        words, input=_ENABLED.sub("", sql), capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    if done.returncode not in (0, 1) or "syntax-error" in done.stdout:
        raise RuntimeError(f"squawk: {done.stderr or done.stdout}")
    # Its other rules are about locks; what a migration may lock is not what this asks.
    ours = set(tomllib.loads(settings.read_text())["included_rules"])
    return ours & {each["rule_name"] for each in json.loads(done.stdout or "[]")}


def _like(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("%") else name == pattern
