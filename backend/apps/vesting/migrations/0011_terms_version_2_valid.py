from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    """Without a lock that writers wait for: 0010 added it for new rows only."""

    dependencies = [
        ("vesting", "0010_terms_version_2"),
    ]

    operations = [
        ValidateConstraint(model_name="vestingschedule", name="vestingschedule_terms_make_a_whole"),
    ]
