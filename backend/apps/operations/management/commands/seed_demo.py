"""`manage.py seed_demo`: the demo site with its tiers and staff."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.core.context import acting_as
from apps.operations.services.demo_seed import demo_seed


class Command(BaseCommand):
    help = "Make the demo site DEMO with its asset, policies, tiers and staff; what is there stays as it is."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one line of JSON.")
        parser.add_argument("--admin-password", help="Give the demo's admin login this password.")
        parser.add_argument(
            "--allow-deployed", action="store_true", help="Also under config.settings.railway."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Its admin login is a platform administrator: on a real installation that is a door.
        if settings.SETTINGS_MODULE.endswith(".railway") and not options["allow_deployed"]:
            raise CommandError(
                "This is a deployed installation. Pass --allow-deployed to make a demo site in it."
            )
        with acting_as("command", "seed_demo"):
            seed = demo_seed(admin_password=options["admin_password"])
        if options["json"]:
            self.stdout.write(json.dumps(seed.as_dict()))
            return
        password = seed.admin_password or "as it was"
        self.stdout.write(f"Site {seed.site_code}; admin login {seed.admin_username}, password: {password}")
        for role, subject in {"buyer (joins by itself)": seed.buyer_subject, **seed.staff}.items():
            self.stdout.write(f"  {role}: {subject}")
