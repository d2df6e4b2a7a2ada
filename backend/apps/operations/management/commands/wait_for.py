"""``manage.py wait_for``: return when what a process needs is there, for start scripts and people."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.needs import DATABASE, MIGRATIONS, REDIS
from apps.core.waiting import StillMissing, wait_for

NEEDS = {"database": DATABASE, "redis": REDIS, "migrations": MIGRATIONS}


class Command(BaseCommand):
    help = "Waits for the database (as the app login), Redis and migrations; one line a try. Fails after the timeout."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "needs", nargs="*", metavar="NEED", help=f"any of {', '.join(NEEDS)}; all of them when left out"
        )
        parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")

    def handle(self, *args: Any, **options: Any) -> None:
        names: list[str] = options["needs"] or list(NEEDS)
        if unknown := sorted(set(names) - NEEDS.keys()):
            raise CommandError(f"Not something to wait for: {', '.join(unknown)}. Known: {', '.join(NEEDS)}.")
        try:
            wait_for([NEEDS[name] for name in names], say=self._say, timeout_s=options["timeout"])
        except (StillMissing, ImproperlyConfigured) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(f"Ready: {', '.join(names)}."))

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()  # a pipe keeps lines back, and this one is about now
