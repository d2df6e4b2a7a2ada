from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    """Without a lock that writers wait for: 0012 added it for new rows only."""

    dependencies = [
        ("vesting", "0012_milestones"),
    ]

    operations = [
        ValidateConstraint(model_name="release", name="release_undated_waits_for_a_milestone"),
    ]
