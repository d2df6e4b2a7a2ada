"""``manage.py verify_statement``: is a statement byte for byte what its hash says? Asks no database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.vesting.statement_document import NotAStatement, is_genuine


class Command(BaseCommand):
    help = "Checks statements (JSON or CSV, docs/vesting-life.md) against the hash on them, offline."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        wrong = 0
        for file in options["files"]:
            try:
                said = "genuine" if is_genuine(file.read_bytes()) else "CHANGED: not what its hash says"
            except (NotAStatement, OSError) as error:
                said = f"not a statement: {error}"
            wrong += said != "genuine"
            self.stdout.write(f"{file}: {said}")
        if wrong:
            raise CommandError(
                f"{wrong} of {len(options['files'])} are not genuine statements.", returncode=1
            )
