"""``manage.py reset_second_factor``: for the only platform administrator who lost phone and recovery codes."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.queries import identity_named
from apps.accounts.second_factor import factor_reset
from apps.core.context import acting_as


class Command(BaseCommand):
    help = "Forget the second factor of an admin login; its password stays."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="The login name.")

    def handle(self, *args: Any, **options: Any) -> None:
        person = identity_named(subject=options["name"])
        if person is None or not person.is_staff:
            raise CommandError("There is no admin login of that name.")
        with acting_as("command", "reset_second_factor"):
            removed = factor_reset(identity_id=person.pk)
        self.stdout.write("The second factor is forgotten." if removed else "There was none.")
