from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY: the tables are written while it runs

    dependencies = [("payouts", "0007_fireblocks_assets")]

    operations = [
        AddIndexConcurrently(
            model_name="payout",
            index=models.Index(
                condition=models.Q(("tx_hash", ""), _negated=True),
                fields=["site", "tx_hash"],
                name="payout_hash",
            ),
        ),
        AddIndexConcurrently(
            model_name="payoutattempt",
            index=models.Index(
                condition=models.Q(("tx_hash", ""), _negated=True),
                fields=["site", "tx_hash"],
                name="payoutattempt_hash",
            ),
        ),
    ]
