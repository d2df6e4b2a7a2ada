from django.db import migrations

from apps.core.attached import AttachRule
from apps.subscriptions.announcer import Announcer


class Migration(migrations.Migration):
    """What a site's systems can hear of. catalogue.py says the same: a test compares the two."""

    dependencies = [
        ("orders", "0005_threeway"),
        ("payouts", "0004_threeway"),
        ("subscriptions", "0001_initial"),
        ("vesting", "0003_ledger"),
    ]

    operations = [
        AttachRule(
            model="orders.Order",
            rule=Announcer(
                name="order_announced",
                noun="order",
                fields=[
                    "status",
                    "buyer",
                    "tier",
                    "allocation",
                    "quantity_units",
                    "amount_minor",
                    "currency",
                    "refunded_minor",
                ],
                born="created",
                states={
                    "paid": "paid",
                    "expired": "expired",
                    "cancelled": "cancelled",
                    "failed": "failed",
                    "refund_due": "refund_due",
                    "refunded": "refunded",
                    "disputed": "disputed",
                },
            ),
        ),
        AttachRule(
            model="vesting.Allocation",
            rule=Announcer(
                name="allocation_announced",
                noun="allocation",
                fields=["asset", "beneficiary", "amount_base_units", "source_kind", "source_id"],
                born="created",
            ),
        ),
        AttachRule(
            model="vesting.Release",
            rule=Announcer(
                name="release_announced",
                noun="release",
                fields=[
                    "status",
                    "allocation",
                    "number",
                    "amount_base_units",
                    "unlock_at",
                    "split_of",
                    "tx_hash",
                ],
                states={
                    "unlocked": "unlocked",
                    "released": "released",
                    "frozen": "frozen",
                    "revoked": "revoked",
                },
            ),
        ),
        AttachRule(
            model="payouts.Payout",
            rule=Announcer(
                name="payout_announced",
                noun="payout",
                fields=["status", "batch", "asset", "amount_base_units", "hold_code", "tx_hash"],
                states={
                    "ready": "approved",
                    "submitted": "submitted",
                    "paid": "paid",
                    "held": "held",
                    "failed": "failed",
                    "cancelled": "cancelled",
                },
            ),
        ),
    ]
