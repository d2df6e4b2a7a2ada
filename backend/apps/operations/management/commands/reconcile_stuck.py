"""``manage.py reconcile_stuck``: ask custody about payouts that are due, now, and say what became of them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.core.context import acting_as
from apps.core.progress import progress_bar
from apps.payouts.sweep import payouts_due, payouts_sweep


class Command(BaseCommand):
    help = (
        "Works through due payouts of all sites in bounded rounds, as reconcile_stuck_releases does, until nothing"
        " more is due or a provider's calls of this minute are used up; prints counts by outcome."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON document instead of text")

    def handle(self, *args: Any, **options: Any) -> None:
        outcomes: Counter[str] = Counter()
        rounds = 0
        with (
            acting_as("command", "reconcile_stuck"),
            progress_bar(total=payouts_due(), label="Payouts", unit="payouts") as bar,
        ):
            while True:
                swept = payouts_sweep()
                rounds += 1
                outcomes += swept.outcomes
                bar.update(swept.outcomes.total())
                if not swept.go_on():
                    break
        due = payouts_due()
        if options["json"]:
            told = {"rounds": rounds, "outcomes": dict(outcomes), "due": due}
            self.stdout.write(json.dumps(told, sort_keys=True))
            return
        for name, count in sorted(outcomes.items()):
            self.stdout.write(f"{count:>7}  {name}")
        self.stdout.write(f"{outcomes.total():>7}  payouts in {rounds} rounds")
        if due:
            self.stdout.write(f"{due:>7}  are due still, for want of calls or time: the periodic tasks go on")
