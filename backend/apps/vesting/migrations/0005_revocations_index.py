from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # CREATE INDEX CONCURRENTLY: the table is written while it runs

    dependencies = [("vesting", "0004_revocations")]

    operations = [
        AddIndexConcurrently(
            model_name="release",
            index=models.Index(
                condition=models.Q(("revocation__isnull", False)),
                fields=["site", "revocation"],
                name="release_revocation",
            ),
        ),
    ]
