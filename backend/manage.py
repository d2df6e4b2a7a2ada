#!/usr/bin/env python
"""Django's commands, under local settings unless DJANGO_SETTINGS_MODULE says otherwise."""

import contextlib
import os
import sys
from collections.abc import Iterator


def main() -> None:
    """Run the command; a faulty environment or installation ends in one message, without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    from apps.operations.doctor.not_started import end_with, fault_of

    try:
        _run()
    except ModuleNotFoundError as exc:
        if (fault := fault_of(exc)) is None:
            raise
        end_with(*fault, sys.argv)


def _run() -> None:
    from django.core.management import execute_from_command_line

    from apps.operations.doctor.not_started import end_with
    from config.env import EnvironmentInvalid

    try:
        with _lines():
            execute_from_command_line(sys.argv)
    except EnvironmentInvalid as exc:
        end_with("variables.missing", str(exc), sys.argv)


@contextlib.contextmanager
def _lines() -> Iterator[None]:
    """On Railway, what start commands run first writes log lines as the service does; people see plain text."""
    from config.env import RAILWAY, profile_of
    from config.start_lines import AT_START, JsonLines

    command = "".join(sys.argv[1:2])
    on_railway = profile_of(os.environ["DJANGO_SETTINGS_MODULE"]) == RAILWAY
    if command not in AT_START or not on_railway or sys.stdout.isatty():
        yield
        return
    with (
        contextlib.closing(JsonLines(sys.stdout, logger=f"manage.{command}")) as lines,
        contextlib.redirect_stdout(lines),
    ):
        yield


if __name__ == "__main__":
    main()
