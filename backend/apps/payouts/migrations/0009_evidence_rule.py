from django.db import migrations

import apps.payouts.resolution_rules


class Migration(migrations.Migration):
    dependencies = [("payouts", "0008_evidence_index")]

    operations = [
        migrations.AddConstraint(
            model_name="payoutresolution",
            constraint=apps.payouts.resolution_rules.EvidenceIsItsOwn(
                name="payoutresolution_evidence_its_own"
            ),
        ),
    ]
