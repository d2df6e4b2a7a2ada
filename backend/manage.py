#!/usr/bin/env python
"""Django's commands, under local settings unless DJANGO_SETTINGS_MODULE says otherwise."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Run the command; a faulty environment ends in its one message, without a traceback."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    from config.env import EnvironmentInvalid

    try:
        execute_from_command_line(sys.argv)
    except EnvironmentInvalid as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
