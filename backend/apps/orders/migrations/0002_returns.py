import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models

import apps.audit.trail
import apps.core.ids
import apps.core.rules
import apps.sites.owned
import apps.sites.rules.policy
import apps.sites.scope


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0001_initial"),
        ("orders", "0001_initial"),
        ("sites", "0002_asset_custody"),
        ("tiers", "0001_initial"),
        ("vesting", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Dispute",
            fields=[
                (
                    "order",
                    apps.sites.owned.SiteForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="orders.order",
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
                ("stripe_dispute_id", models.CharField(max_length=255, verbose_name="Stripe's dispute")),
                ("amount_minor", models.PositiveBigIntegerField(verbose_name="amount (minor units)")),
                ("reason", models.CharField(blank=True, max_length=64, verbose_name="reason")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("won", "Won"),
                            ("lost", "Lost"),
                            ("closed", "Closed without money"),
                        ],
                        max_length=6,
                        verbose_name="status",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("settled_at", models.DateTimeField(blank=True, null=True, verbose_name="settled at")),
            ],
            options={
                "verbose_name": "dispute",
                "verbose_name_plural": "disputes",
                "indexes": [models.Index(fields=["site", "order", "id"], name="dispute_order")],
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT", "UPDATE"], name="dispute_site_policy"
                    ),
                    apps.sites.rules.policy.SiteReference(field="order", name="dispute_order_site_fk"),
                    models.UniqueConstraint(
                        fields=("site", "stripe_dispute_id"), name="dispute_stripe_id_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("stripe_dispute_id", ""), _negated=True), name="dispute_has_id"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("status__in", ["open", "won", "lost", "closed"])),
                        name="dispute_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status", "open"), ("settled_at__isnull", False), _connector="OR"
                        ),
                        name="dispute_settled_has_time",
                    ),
                    apps.core.rules.Transitions(
                        born=["open", "won", "lost", "closed"],
                        edges={"open": ["won", "lost", "closed"]},
                        field="status",
                        name="dispute_states",
                    ),
                    apps.core.rules.Frozen(
                        fields=["site", "order", "stripe_dispute_id", "amount_minor"],
                        name="dispute_frozen",
                        once=False,
                    ),
                    apps.audit.trail.AuditTrail(
                        fields=["order", "stripe_dispute_id", "amount_minor", "status"], name="dispute_audit"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                (
                    "order",
                    apps.sites.owned.SiteForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="orders.order",
                    ),
                ),
                (
                    "requested_by",
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
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("amount_minor", models.PositiveBigIntegerField(verbose_name="amount (minor units)")),
                (
                    "origin",
                    models.CharField(
                        choices=[
                            ("staff", "Requested here"),
                            ("automatic", "Payment came too late"),
                            ("stripe", "Made at Stripe"),
                        ],
                        max_length=9,
                        verbose_name="origin",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="reason")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Not yet at Stripe"),
                            ("pending", "On its way"),
                            ("requires_action", "Waits for the buyer"),
                            ("succeeded", "Succeeded"),
                            ("failed", "Failed"),
                            ("canceled", "Cancelled"),
                        ],
                        default="requested",
                        max_length=15,
                        verbose_name="status",
                    ),
                ),
                (
                    "stripe_refund_id",
                    models.CharField(blank=True, max_length=255, verbose_name="Stripe's refund"),
                ),
                ("failure_code", models.CharField(blank=True, max_length=64, verbose_name="failed because")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("settled_at", models.DateTimeField(blank=True, null=True, verbose_name="settled at")),
            ],
            options={
                "verbose_name": "refund",
                "verbose_name_plural": "refunds",
                "indexes": [models.Index(fields=["site", "order", "id"], name="refund_order")],
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT", "UPDATE"], name="refund_site_policy"
                    ),
                    apps.sites.rules.policy.SiteReference(field="order", name="refund_order_site_fk"),
                    apps.sites.rules.policy.SiteReference(
                        field="requested_by", name="refund_requested_by_site_fk"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("stripe_refund_id", ""), _negated=True),
                        fields=("site", "stripe_refund_id"),
                        name="refund_stripe_id_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_minor__gt", 0)), name="refund_amount_positive"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "status__in",
                                [
                                    "requested",
                                    "pending",
                                    "requires_action",
                                    "succeeded",
                                    "failed",
                                    "canceled",
                                ],
                            )
                        ),
                        name="refund_status_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("origin__in", ["staff", "automatic", "stripe"])),
                        name="refund_origin_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("origin", "staff"), _negated=True),
                            models.Q(
                                ("requested_by__isnull", False), models.Q(("reason", ""), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="refund_of_staff_has_reason",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__in", ["requested", "failed"]),
                            models.Q(("stripe_refund_id", ""), _negated=True),
                            _connector="OR",
                        ),
                        name="refund_at_stripe_has_id",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("status", "succeeded"), _negated=True),
                            ("settled_at__isnull", False),
                            _connector="OR",
                        ),
                        name="refund_settled_has_time",
                    ),
                    apps.core.rules.Transitions(
                        born=["requested", "pending", "requires_action", "succeeded", "failed", "canceled"],
                        edges={
                            "pending": ["requires_action", "succeeded", "failed", "canceled"],
                            "requested": ["pending", "requires_action", "succeeded", "failed", "canceled"],
                            "requires_action": ["pending", "succeeded", "failed", "canceled"],
                            "succeeded": ["failed"],
                        },
                        field="status",
                        name="refund_states",
                    ),
                    apps.core.rules.Frozen(
                        fields=["site", "order", "amount_minor", "origin", "reason", "requested_by"],
                        name="refund_frozen",
                        once=False,
                    ),
                    apps.audit.trail.AuditTrail(
                        fields=[
                            "order",
                            "amount_minor",
                            "reason",
                            "requested_by",
                            "status",
                            "stripe_refund_id",
                            "failure_code",
                        ],
                        name="refund_audit",
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="order_audit",
        ),
        migrations.AddField(
            model_name="order",
            name="lost_minor",
            field=models.PositiveBigIntegerField(
                db_default=0, default=0, verbose_name="lost in disputes (minor units)"
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "amount_minor__gte",
                        django.db.models.expressions.CombinedExpression(
                            models.F("refunded_minor"), "+", models.F("lost_minor")
                        ),
                    )
                ),
                name="order_returned_within_amount",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=apps.audit.trail.AuditTrail(
                fields=[
                    "status",
                    "payment_intent_id",
                    "allocation",
                    "refunded_minor",
                    "lost_minor",
                    "problem_code",
                ],
                name="order_audit",
            ),
        ),
    ]
