"""``manage.py after_restore``: the database was restored from a backup; what left since that it does not know."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from apps.core.context import acting_as
from apps.core.remote import RemoteError
from apps.payouts.fence import fence_close, fence_explain, fence_read
from apps.payouts.lost import LostTransfer, hold_alike, lost_transfers


class Command(BaseCommand):
    help = (
        "Closes the fence before sending, reads what the custody provider sent since the backup, and opens it when"
        " every transfer has its row. Exit code 1 while it stays closed. To be run again until it is open."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since", type=_moment, help="when the backup was made (ISO 8601); else what it says"
        )
        parser.add_argument("--stands", metavar="ID", help="let this transfer stand without a payout")
        parser.add_argument("--because", default="", help="the reason, with --stands")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["stands"] and not options["because"].strip():
            raise CommandError("--stands needs --because")
        with acting_as("command", "after_restore"):
            closed_from = fence_close(options["since"])
            if options["stands"]:
                fence_explain(options["stands"], options["because"].strip())
            try:
                lost = lost_transfers(closed_from)
            except RemoteError as failure:
                raise CommandError(
                    f"The fence stays closed: the provider does not answer ({failure})."
                ) from None
            held = hold_alike(lost)
            is_open = fence_read(closed_from, len(lost))
        self._tell(closed_from, lost, held)
        if not is_open:
            raise SystemExit(1)

    def _tell(self, closed_from: datetime, lost: list[LostTransfer], held: int) -> None:
        for one in lost:
            amount = "?" if one.amount_base_units is None else one.amount_base_units
            self.stdout.write(
                f"{one.transfer_id}  {one.status}  {amount} of {one.custody_asset_id} to {one.to_address or '?'}"
                f"  {one.tx_hash}"
            )
        since = f"{closed_from:%Y-%m-%d %H:%M:%S} UTC"
        self.stdout.write(
            f"{len(lost)} transfers since {since} have no row; {held} payouts are held for them. Nothing is sent."
            if lost
            else f"Every transfer since {since} has its row: payouts are sent again."
        )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else timezone.make_aware(moment)
