from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY: the table is written while it runs

    dependencies = [("orders", "0004_ledger_valid")]

    operations = [
        AddIndexConcurrently(
            model_name="order",
            index=models.Index(
                condition=models.Q(("paid_at__isnull", False)),
                fields=["site", "paid_at"],
                name="order_paid_time",
            ),
        ),
        AddIndexConcurrently(
            model_name="refund",
            index=models.Index(
                condition=models.Q(("settled_at__isnull", False)),
                fields=["site", "settled_at"],
                name="refund_settled_time",
            ),
        ),
    ]
