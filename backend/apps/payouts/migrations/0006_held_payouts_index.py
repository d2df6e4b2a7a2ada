from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY: the table is written while it runs

    dependencies = [("payouts", "0005_held_resolutions")]

    operations = [
        AddIndexConcurrently(
            model_name="payout",
            index=models.Index(
                condition=models.Q(("status", "held")), fields=["site", "id"], name="payout_held"
            ),
        ),
    ]
