import django.db.models.deletion
from django.db import migrations, models

import apps.audit.trail
import apps.core.ids
import apps.core.rules
import apps.sites.owned
import apps.sites.rules.lookup
import apps.sites.rules.policy
import apps.sites.scope


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("accounts", "0002_logins_and_platform_events"),
        ("sites", "0002_asset_custody"),
    ]

    operations = [
        migrations.CreateModel(
            name="CheckCursor",
            fields=[
                (
                    "source",
                    models.CharField(max_length=64, primary_key=True, serialize=False, verbose_name="side"),
                ),
                ("position", models.BigIntegerField(verbose_name="looked through up to")),
                ("next_at", models.DateTimeField(verbose_name="next step")),
                ("lease_until", models.DateTimeField(blank=True, null=True, verbose_name="taken until")),
                ("error_code", models.CharField(blank=True, max_length=64, verbose_name="last error")),
                ("moved_at", models.DateTimeField(blank=True, null=True, verbose_name="moved at")),
            ],
            options={
                "verbose_name": "cursor of the three-way check",
                "verbose_name_plural": "cursors of the three-way check",
            },
        ),
        migrations.CreateModel(
            name="StrayPayment",
            fields=[
                (
                    "key",
                    models.CharField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="payment at Stripe"
                    ),
                ),
                ("amount_minor", models.BigIntegerField(verbose_name="amount (minor units)")),
                ("currency", models.CharField(max_length=3, verbose_name="currency")),
                ("first_seen_at", models.DateTimeField(auto_now_add=True, verbose_name="first seen")),
            ],
            options={
                "verbose_name": "stray payment",
                "verbose_name_plural": "stray payments",
            },
        ),
        migrations.CreateModel(
            name="Difference",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("payment_without_order", "Paid at Stripe, and no order of ours"),
                            ("payment_not_booked", "Paid at Stripe, and the order does not know"),
                            ("payment_missing", "Order says paid, and Stripe has no payment"),
                            ("payment_amount", "Another amount was paid"),
                            ("payment_refunded", "Another sum was refunded"),
                            ("refund_without_row", "Refunded at Stripe, and no row of ours"),
                            ("refund_missing", "Stripe has no such refund"),
                            ("refund_amount", "Refund of another amount"),
                            ("refund_status", "Refund in another state"),
                            ("transfer_without_payout", "Tokens left, and no payout of ours"),
                            ("transfer_not_booked", "Tokens left, and the payout does not know"),
                            ("transfer_missing", "Payout says paid, and no tokens left"),
                            ("transfer_amount", "Another amount of tokens left"),
                            ("transfer_address", "Tokens went to another address"),
                            ("transfer_hash", "Another transaction hash"),
                        ],
                        max_length=32,
                        verbose_name="what differs",
                    ),
                ),
                ("subject", models.CharField(max_length=8, verbose_name="about")),
                ("object_id", models.CharField(max_length=255, verbose_name="object at the provider")),
                ("source", models.CharField(max_length=64, verbose_name="side that was asked")),
                ("row_id", models.UUIDField(blank=True, null=True, verbose_name="row of ours")),
                ("expected", models.CharField(max_length=200, verbose_name="our rows say")),
                ("found", models.CharField(max_length=200, verbose_name="the other side says")),
                ("first_seen_at", models.DateTimeField(verbose_name="first seen")),
                ("last_seen_at", models.DateTimeField(verbose_name="last seen")),
                ("next_check_at", models.DateTimeField(blank=True, null=True, verbose_name="next look")),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="gone since")),
                (
                    "acknowledged_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="acknowledged at"),
                ),
                ("reason", models.CharField(blank=True, max_length=500, verbose_name="acknowledged because")),
                (
                    "acknowledged_by",
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
                "verbose_name": "difference",
                "verbose_name_plural": "differences",
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_check_at__isnull", False)),
                        fields=["site", "next_check_at"],
                        name="difference_due",
                    ),
                    models.Index(fields=["site", "kind", "id"], name="difference_kind"),
                ],
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT", "UPDATE"], name="difference_site_policy"
                    ),
                    apps.sites.rules.policy.SiteReference(
                        field="acknowledged_by", name="difference_acknowledged_by_site_fk"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("closed_at__isnull", True)),
                        fields=("site", "kind", "object_id"),
                        name="difference_open_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "kind__in",
                                [
                                    "payment_without_order",
                                    "payment_not_booked",
                                    "payment_missing",
                                    "payment_amount",
                                    "payment_refunded",
                                    "refund_without_row",
                                    "refund_missing",
                                    "refund_amount",
                                    "refund_status",
                                    "transfer_without_payout",
                                    "transfer_not_booked",
                                    "transfer_missing",
                                    "transfer_amount",
                                    "transfer_address",
                                    "transfer_hash",
                                ],
                            )
                        ),
                        name="difference_kind_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("closed_at__isnull", True), ("next_check_at__isnull", False)),
                            models.Q(("closed_at__isnull", False), ("next_check_at__isnull", True)),
                            _connector="OR",
                        ),
                        name="difference_open_is_due",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("acknowledged_at__isnull", True),
                                ("acknowledged_by__isnull", True),
                                ("reason", ""),
                            ),
                            models.Q(
                                ("acknowledged_at__isnull", False),
                                ("acknowledged_by__isnull", False),
                                models.Q(("reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="difference_acknowledged_whole",
                    ),
                    apps.core.rules.Frozen(
                        fields=["site", "kind", "subject", "object_id", "source", "first_seen_at"],
                        name="difference_frozen",
                        once=False,
                    ),
                    apps.core.rules.Frozen(
                        fields=["closed_at", "acknowledged_by", "acknowledged_at"],
                        name="difference_set_once",
                        once=True,
                    ),
                    apps.audit.trail.AuditTrail(
                        fields=[
                            "kind",
                            "object_id",
                            "expected",
                            "found",
                            "closed_at",
                            "acknowledged_by",
                            "reason",
                        ],
                        name="difference_audit",
                    ),
                    apps.sites.rules.lookup.DueQueue(
                        due="next_check_at",
                        name="due_sites_differences",
                        reads=[],
                        when="w.next_check_at IS NOT NULL",
                    ),
                ],
            },
        ),
    ]
