"""``manage.py unlock_login``: end the lock-out of a name or an address, when nobody can do it in the admin."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.admin_login import address_counter, factor_counter, subject_counter
from apps.accounts.platform import platform_event_add
from apps.accounts.queries import identity_named
from apps.accounts.tries import Counter, tries_forget
from apps.core.context import acting_as


class Command(BaseCommand):
    help = "End the admin's lock-out for a login name, an address, or both."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", nargs="?", help="The name that is typed at the admin's login.")
        parser.add_argument("--address", help="An address whose tries are forgotten too.")

    def handle(self, *args: Any, **options: Any) -> None:
        name, address = options["name"], options["address"]
        if not (name or address):
            raise CommandError("Give a login name, --address, or both.")
        person = identity_named(subject=name) if name else None
        counters: list[Counter] = [address_counter(address)] if address else []
        counters += [subject_counter(name)] if name else []
        counters += [factor_counter(person.pk)] if person else []
        with acting_as("command", "unlock_login"):
            platform_event_add(action="login.unlock", target=str(person.pk) if person else "")
        ended = tries_forget(counters=counters)
        self.stdout.write(f"{ended} count(s) of failed tries forgotten.")
