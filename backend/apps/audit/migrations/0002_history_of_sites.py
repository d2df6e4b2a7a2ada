from django.db import migrations

from apps.audit.attached import AttachTrail, SiteTrail
from apps.audit.trail import AuditTrail


class Migration(migrations.Migration):
    """Whoever may raise the limit or soften the rule needs no second person: both leave a row of history."""

    dependencies = [
        ("audit", "0001_initial"),
        ("sites", "0002_asset_custody"),
    ]

    operations = [
        AttachTrail(
            model="sites.Asset",
            trail=AuditTrail(
                name="asset_audit",
                fields=[
                    "code",
                    "decimals",
                    "chain_id",
                    "contract_address",
                    "custody_asset_id",
                    "custody_vault_id",
                    "custody_provider",
                    "confirmations",
                    "auto_approve_below_base_units",
                ],
            ),
        ),
        AttachTrail(
            model="sites.Site",
            trail=SiteTrail(name="site_audit", fields=["approval_rule"]),
        ),
    ]
