from django.db import migrations

from apps.audit.attached import AttachTrail, SiteTrail


class Migration(migrations.Migration):
    """Whoever shortens the cooling-off, or lets unproved wallets be paid, leaves a row of history."""

    dependencies = [
        ("audit", "0002_history_of_sites"),
        ("sites", "0003_wallets"),
    ]

    operations = [
        AttachTrail(
            model="sites.Site",
            trail=SiteTrail(
                name="site_wallets_audit",
                fields=["wallet_domain", "wallet_cooling_off_hours", "wallet_proof_required"],
            ),
        ),
    ]
