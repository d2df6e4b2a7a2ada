"""What manage.py says when Django cannot start: a missing module or variable, as a finding of the doctor.

Imports nothing that is installed, and nothing of config, which imports Celery.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from apps.operations.doctor.findings import found
from apps.operations.doctor.report import as_json, as_table

OURS = ("apps", "config", "devstack")


def fault_of(error: ModuleNotFoundError) -> tuple[str, str] | None:
    """The finding's name and what was seen; None for a fault of our own code, which needs its traceback."""
    name = error.name or ""
    settings_module = os.environ.get("DJANGO_SETTINGS_MODULE", "")
    if name and f"{settings_module}.".startswith(f"{name}."):
        return "variables.missing", f"DJANGO_SETTINGS_MODULE is {settings_module}, and there is no {name}"
    if not name or name.partition(".")[0] in OURS:
        return None
    return "modules.missing", f"there is no {name} in {sys.prefix}"


def end_with(name: str, state: str, words: Sequence[str]) -> NoReturn:
    """End the process: `doctor` with its table or JSON and code 2, every other command with the text and code 1."""
    finding = found(name, state)
    if "doctor" in words[1:2]:
        print(as_json([finding]) if "--json" in words else as_table([finding]))  # noqa: T201 - no Django to write
        sys.exit(int(finding.severity))
    sys.exit(state if name == "variables.missing" else f"{state}\n{finding.fix}")
