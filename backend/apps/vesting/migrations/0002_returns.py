import django.db.models.deletion
from django.db import migrations, models

import apps.audit.trail
import apps.core.amounts
import apps.core.ids
import apps.core.rules
import apps.sites.owned
import apps.sites.rules.policy
import apps.sites.scope
import apps.vesting.rules


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0002_evm"),
        ("sites", "0002_asset_custody"),
        ("vesting", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Receivable",
            fields=[
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
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("amount_base_units", apps.core.amounts.BaseUnitsField(verbose_name="amount (base units)")),
                ("cause_kind", models.CharField(max_length=16, verbose_name="because of")),
                ("cause_id", models.UUIDField(verbose_name="refund or dispute")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
            ],
            options={
                "verbose_name": "receivable",
                "verbose_name_plural": "receivables",
                "indexes": [models.Index(fields=["site", "allocation"], name="receivable_allocation")],
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT"], name="receivable_site_policy"
                    ),
                    apps.sites.rules.policy.SiteReference(
                        field="allocation", name="receivable_allocation_site_fk"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_base_units__gt", 0)), name="receivable_amount_positive"
                    ),
                    apps.core.rules.AppendOnly(name="receivable_append_only"),
                    apps.vesting.rules.ReceivablesWithinReleased(name="receivable_within_released"),
                    apps.audit.trail.AuditTrail(
                        fields=["allocation", "amount_base_units", "cause_id"], name="receivable_audit"
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="release",
            name="release_status_known",
        ),
        migrations.RemoveConstraint(
            model_name="release",
            name="release_payout_while_in_flight",
        ),
        migrations.RemoveConstraint(
            model_name="release",
            name="release_states",
        ),
        migrations.RemoveConstraint(
            model_name="release",
            name="release_sum_within_schedule",
        ),
        migrations.AddField(
            model_name="release",
            name="frozen_from",
            field=models.CharField(
                blank=True,
                choices=[("locked", "Locked"), ("unlocked", "Unlocked")],
                db_default="",
                default="",
                max_length=8,
                verbose_name="frozen while",
            ),
        ),
        migrations.AddField(
            model_name="release",
            name="split_of",
            field=apps.sites.owned.SiteForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="vesting.release",
            ),
        ),
        migrations.AlterField(
            model_name="release",
            name="status",
            field=models.CharField(
                choices=[
                    ("locked", "Locked"),
                    ("unlocked", "Unlocked"),
                    ("processing", "Being paid out"),
                    ("held", "Held for a person"),
                    ("released", "Released"),
                    ("frozen", "Frozen"),
                    ("revoked", "Revoked"),
                    ("replaced", "Replaced by its parts"),
                ],
                default="locked",
                max_length=10,
                verbose_name="status",
            ),
        ),
        migrations.AddIndex(
            model_name="release",
            index=models.Index(
                condition=models.Q(("split_of__isnull", False)),
                fields=["site", "split_of"],
                name="release_split_of",
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=apps.sites.rules.policy.SiteReference(
                field="split_of", name="release_split_of_site_fk"
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "status__in",
                        [
                            "locked",
                            "unlocked",
                            "processing",
                            "held",
                            "released",
                            "frozen",
                            "revoked",
                            "replaced",
                        ],
                    )
                ),
                name="release_status_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("payout__isnull", False), ("status__in", ["processing", "held", "released"])),
                    models.Q(
                        ("payout__isnull", True),
                        ("status__in", ["locked", "unlocked", "frozen", "revoked", "replaced"]),
                    ),
                    _connector="OR",
                ),
                name="release_payout_while_in_flight",
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("frozen_from__in", ["locked", "unlocked"]), ("status", "frozen")),
                    models.Q(models.Q(("status", "frozen"), _negated=True), ("frozen_from", "")),
                    _connector="OR",
                ),
                name="release_frozen_from_a_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=apps.core.rules.Transitions(
                born=["locked"],
                edges={
                    "frozen": ["locked", "unlocked", "revoked", "replaced"],
                    "held": ["processing", "released", "unlocked"],
                    "locked": ["unlocked", "frozen", "revoked", "replaced"],
                    "processing": ["released", "unlocked", "held"],
                    "unlocked": ["processing", "frozen", "revoked", "replaced"],
                },
                field="status",
                name="release_states",
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=apps.core.rules.Frozen(
                fields=["split_of"], name="release_split_of_frozen", once=False
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=apps.vesting.rules.LiveReleasesWithinSchedule(name="release_live_sum_within_schedule"),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=apps.vesting.rules.SplitsAreWhole(name="release_split_whole"),
        ),
    ]
