import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.audit.trail
import apps.core.ids
import apps.core.rules
import apps.sites.owned
import apps.sites.rules.policy
import apps.sites.scope
import apps.vesting.freeze_rules


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_wallet_changes"),
        ("payouts", "0009_evidence_rule"),
        ("sites", "0003_wallets"),
        ("vesting", "0005_revocations_index"),
    ]

    operations = [
        migrations.CreateModel(
            name="Freeze",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[("dispute", "Dispute about the payment"), ("pause", "Paused by staff")],
                        max_length=7,
                        verbose_name="because of",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=1000, verbose_name="reason")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="began at",
                    ),
                ),
                ("end_reason", models.CharField(blank=True, max_length=1000, verbose_name="ended because")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended at")),
                (
                    "allocation",
                    apps.sites.owned.SiteForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="vesting.allocation",
                    ),
                ),
                (
                    "begun_by",
                    apps.sites.owned.SiteForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.membership",
                    ),
                ),
                (
                    "ended_by",
                    apps.sites.owned.SiteForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.membership",
                    ),
                ),
                (
                    "site",
                    models.ForeignKey(
                        db_index=False,
                        default=apps.sites.scope.current_site_id,
                        editable=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="sites.site",
                    ),
                ),
            ],
            options={
                "verbose_name": "freeze",
                "verbose_name_plural": "freezes",
                "indexes": [models.Index(fields=["site", "allocation", "id"], name="freeze_allocation")],
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT", "UPDATE"], name="freeze_site_policy"
                    ),
                    apps.sites.rules.policy.SiteReference(
                        field="allocation", name="freeze_allocation_site_fk"
                    ),
                    apps.sites.rules.policy.SiteReference(field="begun_by", name="freeze_begun_by_site_fk"),
                    apps.sites.rules.policy.SiteReference(field="ended_by", name="freeze_ended_by_site_fk"),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("site", "allocation", "cause"),
                        name="freeze_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("begun_by__isnull", True), ("cause", "dispute"), ("ended_by__isnull", True)
                            ),
                            models.Q(
                                ("begun_by__isnull", False),
                                ("cause", "pause"),
                                models.Q(("reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="freeze_cause_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("cause", "dispute"),
                            models.Q(("ended_at__isnull", True), ("ended_by__isnull", True)),
                            models.Q(("ended_at__isnull", False), ("ended_by__isnull", False)),
                            _connector="OR",
                        ),
                        name="freeze_ended_by",
                    ),
                    apps.core.rules.Frozen(
                        fields=["site", "allocation", "cause", "reason", "begun_by", "created_at"],
                        name="freeze_frozen",
                        once=False,
                    ),
                    apps.core.rules.Frozen(
                        fields=["ended_by", "ended_at"], name="freeze_ended_once", once=True
                    ),
                    apps.vesting.freeze_rules.FreezeStops(name="freeze_stops"),
                    apps.audit.trail.AuditTrail(
                        fields=[
                            "allocation",
                            "cause",
                            "reason",
                            "begun_by",
                            "ended_by",
                            "end_reason",
                            "ended_at",
                        ],
                        name="freeze_audit",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=apps.vesting.freeze_rules.FrozenWhileStopped(name="release_frozen_while_stopped"),
        ),
    ]
