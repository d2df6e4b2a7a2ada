from django.db import migrations

from apps.audit.attached import AttachTrail, ChangeTrail, SiteTrail


class Migration(migrations.Migration):
    """Whoever moves the day on which a token comes into being, or a site's time zone, leaves a row of history."""

    dependencies = [
        ("audit", "0003_history_of_wallet_settings"),
        ("sites", "0004_calendars"),
    ]

    operations = [
        AttachTrail(model="sites.Site", trail=SiteTrail(name="site_time_zone_audit", fields=["time_zone"])),
        AttachTrail(
            model="sites.Asset", trail=ChangeTrail(name="asset_generation_audit", fields=["generation_at"])
        ),
    ]
