"""``manage.py reconcile``: what Stripe, custody and our rows say, side by side; every difference by its row."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.context import acting_as
from apps.core.remote import RemoteError
from apps.operations.threeway.bar import Bar
from apps.operations.threeway.record import Looked
from apps.operations.threeway.report import Reported, differences_open, strays
from apps.operations.threeway.steps import Side, differences_round, sides, start_of, walk
from apps.sites.scope import bind_site
from apps.sites.services import site_codes

COLUMNS = ("site", "kind", "object_id", "row", "expected", "found")


class Command(BaseCommand):
    help = (
        "Compares Stripe and custody with our rows, from where the periodic check stands, and prints what differs."
        " Exit code 1: differences that nobody acknowledged. 2: a side could not be asked."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--report", action="store_true", help="print what is known, ask nobody")
        parser.add_argument("--full", action="store_true", help="compare everything since the beginning")
        parser.add_argument("--site", metavar="CODE", help="print one site only; all are compared")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        codes = _codes(options["site"])
        with acting_as("command", "reconcile"):
            looked, silent = (Looked(), {}) if options["report"] else self._compare(full=options["full"])
            found = list(differences_open(codes))
        if options["json"]:
            self.stdout.write(json.dumps(_document(looked, silent, found), indent=2))
        else:
            self._print(looked, silent, found)
        if silent:
            raise CommandError(
                f"Could not ask: {', '.join(silent)}. Nothing there was compared.", returncode=2
            )
        if unexplained := sum(not one.is_acknowledged for one in found) + len(strays()):
            raise CommandError(f"{unexplained} differences that nobody acknowledged.", returncode=1)

    def _compare(self, *, full: bool) -> tuple[Looked, dict[str, str]]:
        """Everything up to now; and which sides could not be asked, with the error's code."""
        looked, silent = Looked(), {}
        for side in sides():
            try:
                looked += _walked(side, full=full)
            except RemoteError as error:
                silent[side.source] = error.code
        for site_id in site_codes():
            with bind_site(site_id):
                try:
                    while differences_round():
                        pass
                except RemoteError as error:
                    silent["differences"] = error.code
        return looked, silent

    def _print(self, looked: Looked, silent: dict[str, str], found: list[Reported]) -> None:
        rows = [COLUMNS, *(tuple(getattr(one, name) for name in COLUMNS) for one in found)]
        widths = [max(len(row[place]) for row in rows) for place in range(len(COLUMNS))]
        for number, row in enumerate(rows if found else ()):
            line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            reason = found[number - 1].reason if number else ""
            self.stdout.write(f"{line}  (acknowledged: {reason})" if reason else line)
        for stray in strays():
            self.stdout.write(f"no site  stray_payment  {stray.key}  {stray.amount_minor} {stray.currency}")
        for source, code in silent.items():
            self.stdout.write(self.style.ERROR(f"{source}: {code}"))
        self.stdout.write(f"{looked.compared} compared, {len(found)} differences open.")


def _walked(side: Side, *, full: bool) -> Looked:
    start, end = start_of(side, full=full), side.end()
    looked = Looked()
    bar = Bar(side.source, end - start)
    try:
        for reached, one in walk(side, start, end):
            looked += one
            bar.update(reached - start)
    finally:
        bar.end()
    return looked


def _codes(code: str | None) -> dict[UUID, str]:
    codes = site_codes()
    if code is None:
        return codes
    if code not in codes.values():
        raise CommandError(f"There is no site {code}.")
    return {site_id: known for site_id, known in codes.items() if known == code}


def _document(looked: Looked, silent: dict[str, str], found: list[Reported]) -> dict[str, Any]:
    return {
        "compared": looked.compared,
        "not_asked": silent,
        "differences": [one.as_dict() for one in found],
        "strays": [
            {"key": one.key, "amount_minor": one.amount_minor, "currency": one.currency} for one in strays()
        ],
    }
