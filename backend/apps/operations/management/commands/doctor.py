"""``manage.py doctor``: what is wrong here, what it means, and the exact fix."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.operations.doctor.examination import examine
from apps.operations.doctor.report import as_json, as_table, worst


class Command(BaseCommand):
    help = (
        "Looks for every known fault of an installation: a table of states, and for each fault what it means and the "
        "exact fix. Changes nothing. Exit code 0: fine, 1: warnings, 2: something is broken."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one object for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = examine()
        self.stdout.write(as_json(findings) if options["json"] else as_table(findings))
        if code := int(worst(findings)):
            sys.exit(code)
