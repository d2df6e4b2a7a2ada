from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY: the table is written while it runs

    dependencies = [("payouts", "0003_ledger")]

    operations = [
        AddIndexConcurrently(
            model_name="payout",
            index=models.Index(
                condition=models.Q(("settled_at__isnull", False)),
                fields=["site", "settled_at"],
                name="payout_settled_time",
            ),
        ),
    ]
