"""``manage.py provision_roles``: the first step of migrate alone, after a restore for example."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.sites import provision


class Command(BaseCommand):
    help = "Makes or corrects the database logins and their rights (migrate does this too)."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--sql",
            action="store_true",
            help="print the statements for an administrator to run by hand (they hold the logins' passwords)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["sql"]:
            self.stdout.write(provision.provision_script())
            return
        try:
            with provision.cluster_lock():
                done = provision.provision_roles()
                provision.hand_over()
        except provision.CannotProvision as error:
            raise CommandError(str(error)) from error
        self.stdout.write(self.style.SUCCESS(done))
