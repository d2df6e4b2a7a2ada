"""``manage.py verify_ledger``: does every token and every cent stand where the invariants say?"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.context import acting_as
from apps.core.progress import progress_bar
from apps.operations.ledger.invariant import Violation
from apps.operations.ledger.verify import INVARIANTS, SHOWN_AN_INVARIANT, ledger_violations
from apps.sites.services import site_codes


class Command(BaseCommand):
    help = "Asks every invariant of the ledger (docs/ledger.md) of every site, and names the rows that break one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--site", metavar="CODE", help="one site only")
        parser.add_argument("--json", action="store_true", help="one JSON document instead of text")

    def handle(self, *args: Any, **options: Any) -> None:
        codes = _sites(options["site"])
        with (
            acting_as("command", "verify_ledger"),
            progress_bar(total=len(codes) * len(INVARIANTS), label="Ledger", unit="questions") as bar,
        ):
            found = list(ledger_violations(list(codes), asked=lambda _one: bar.update(1)))
        if options["json"]:
            self.stdout.write(json.dumps(_document(codes, found), indent=2))
        else:
            self._print(codes, found)
        if found:
            raise CommandError(f"{len(found)} violations of the ledger.", returncode=1)

    def _print(self, codes: dict[UUID, str], found: list[Violation]) -> None:
        for one in found:
            self.stdout.write(
                self.style.ERROR(f"{codes[one.site_id]}  {one.invariant}  {one.table} {one.row_id}")
                + f"\n    expected {one.expected}\n    found    {one.found}"
            )
        for invariant in INVARIANTS:
            broken = sum(one.invariant == invariant.name for one in found)
            if broken:
                more = " or more" if broken >= SHOWN_AN_INVARIANT else ""
                self.stdout.write(f"{invariant.name}: {broken}{more}. {invariant.remedy}")
        if not found:
            asked = f"{len(INVARIANTS)} invariants hold in {len(codes)} sites."
            self.stdout.write(self.style.SUCCESS(asked))


def _sites(code: str | None) -> dict[UUID, str]:
    codes = site_codes()
    if code is None:
        return codes
    if code not in codes.values():
        raise CommandError(f"There is no site {code}. Known: {', '.join(codes.values()) or 'none yet'}.")
    return {site_id: known for site_id, known in codes.items() if known == code}


def _document(codes: dict[UUID, str], found: list[Violation]) -> dict[str, Any]:
    rows = [asdict(one) | {"site": codes[one.site_id]} for one in found]
    return {
        "sites": list(codes.values()),
        "invariants": [invariant.name for invariant in INVARIANTS],
        "violations": [{name: str(value) for name, value in row.items()} for row in rows],
    }
