import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import apps.audit.trail
import apps.core.ids
import apps.core.rules
import apps.sites.owned
import apps.sites.rules.lookup
import apps.sites.rules.policy
import apps.sites.scope
import apps.vesting.revoking_rules


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_wallet_changes"),
        ("payouts", "0009_evidence_rule"),
        ("sites", "0003_wallets"),
        ("vesting", "0003_ledger"),
    ]

    operations = [
        migrations.CreateModel(
            name="Revocation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[
                            ("unvested", "What is not vested"),
                            ("all", "All that is not paid out, for cause"),
                        ],
                        max_length=8,
                        verbose_name="what",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("asked", "Waits for a second person"),
                            ("scheduled", "Scheduled"),
                            ("done", "Done"),
                            ("declined", "Declined"),
                            ("stopped", "Stopped"),
                        ],
                        max_length=9,
                        verbose_name="state",
                    ),
                ),
                (
                    "effective_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="takes effect at"
                    ),
                ),
                ("reason", models.CharField(max_length=1000, verbose_name="reason")),
                ("decided_at", models.DateTimeField(blank=True, null=True, verbose_name="decided at")),
                (
                    "decision_note",
                    models.CharField(blank=True, max_length=500, verbose_name="decision's reason"),
                ),
                ("stop_reason", models.CharField(blank=True, max_length=500, verbose_name="stopped because")),
                ("due_at", models.DateTimeField(blank=True, null=True, verbose_name="due at")),
                ("finished_at", models.DateTimeField(blank=True, null=True, verbose_name="finished at")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        editable=False,
                        verbose_name="created at",
                    ),
                ),
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
                    "asked_by",
                    apps.sites.owned.SiteForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="accounts.membership",
                    ),
                ),
                (
                    "decided_by",
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
                (
                    "stopped_by",
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
            ],
            options={
                "verbose_name": "revocation",
                "verbose_name_plural": "revocations",
                "indexes": [
                    models.Index(
                        condition=models.Q(("due_at__isnull", False)),
                        fields=["site", "due_at"],
                        name="revocation_due",
                    ),
                    models.Index(fields=["site", "allocation", "id"], name="revocation_allocation"),
                ],
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT", "UPDATE"], name="revocation_site_policy"
                    ),
                    models.UniqueConstraint(fields=("site", "id"), name="revocation_site_id_key"),
                    apps.sites.rules.policy.SiteReference(
                        field="allocation", name="revocation_allocation_site_fk"
                    ),
                    apps.sites.rules.policy.SiteReference(
                        field="asked_by", name="revocation_asked_by_site_fk"
                    ),
                    apps.sites.rules.policy.SiteReference(
                        field="decided_by", name="revocation_decided_by_site_fk"
                    ),
                    apps.sites.rules.policy.SiteReference(
                        field="stopped_by", name="revocation_stopped_by_site_fk"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ["asked", "scheduled"])),
                        fields=("site", "allocation"),
                        name="revocation_one_open",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("scope__in", ["unvested", "all"])), name="revocation_scope_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("effective_at__gte", models.F("created_at"))),
                        name="revocation_never_in_arrears",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("scope", "unvested"),
                            ("state__in", ["asked", "declined", "stopped"]),
                            models.Q(
                                ("decided_by__isnull", False),
                                models.Q(("decided_by", models.F("asked_by")), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="revocation_second_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at__isnull", True), ("decided_by__isnull", True)),
                            models.Q(("decided_at__isnull", False), ("decided_by__isnull", False)),
                            _connector="OR",
                        ),
                        name="revocation_decided_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("due_at__isnull", False),
                                ("finished_at__isnull", True),
                                ("state", "scheduled"),
                            ),
                            models.Q(
                                ("due_at__isnull", True), ("finished_at__isnull", True), ("state", "asked")
                            ),
                            models.Q(
                                ("due_at__isnull", True),
                                ("finished_at__isnull", False),
                                ("state__in", ["done", "declined", "stopped"]),
                            ),
                            _connector="OR",
                        ),
                        name="revocation_state_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_by__isnull", False), ("state", "declined")),
                            models.Q(("state", "stopped"), ("stopped_by__isnull", False)),
                            models.Q(
                                ("state__in", ["asked", "scheduled", "done"]), ("stopped_by__isnull", True)
                            ),
                            _connector="OR",
                        ),
                        name="revocation_ended_by",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("reason", ""), _negated=True), name="revocation_has_reason"
                    ),
                    apps.core.rules.Transitions(
                        born=["asked", "scheduled"],
                        edges={"asked": ["scheduled", "declined"], "scheduled": ["done", "stopped"]},
                        field="state",
                        name="revocation_states",
                    ),
                    apps.core.rules.Frozen(
                        fields=[
                            "site",
                            "allocation",
                            "scope",
                            "effective_at",
                            "reason",
                            "asked_by",
                            "created_at",
                        ],
                        name="revocation_frozen",
                        once=False,
                    ),
                    apps.core.rules.Frozen(
                        fields=["decided_by", "decided_at", "stopped_by", "finished_at"],
                        name="revocation_decided_once",
                        once=True,
                    ),
                    apps.vesting.revoking_rules.RevocationIsComplete(name="revocation_complete"),
                    apps.audit.trail.AuditTrail(
                        fields=[
                            "allocation",
                            "scope",
                            "state",
                            "effective_at",
                            "reason",
                            "asked_by",
                            "decided_by",
                            "decision_note",
                            "stopped_by",
                            "stop_reason",
                        ],
                        name="revocation_audit",
                    ),
                    apps.sites.rules.lookup.DueQueue(
                        due="due_at", name="due_sites_revocations", reads=[], when="w.due_at IS NOT NULL"
                    ),
                ],
            },
        ),
        migrations.AddField(
            model_name="release",
            name="revocation",
            field=apps.sites.owned.SiteForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="vesting.revocation",
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=apps.sites.rules.policy.SiteReference(
                field="revocation", name="release_revocation_site_fk"
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=apps.core.rules.Frozen(
                fields=["revocation"], name="release_revocation_once", once=True
            ),
        ),
        migrations.AddConstraint(
            model_name="release",
            constraint=apps.vesting.revoking_rules.RevokedByItsRevocation(
                name="release_revoked_by_its_revocation"
            ),
        ),
    ]
