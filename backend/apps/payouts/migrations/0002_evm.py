# Made by makemigrations; the fields of each new table were moved into its CreateModel, as one added later needs a scope.

import django.db.models.deletion
from django.db import migrations, models

import apps.audit.trail
import apps.core.amounts
import apps.core.ids
import apps.core.rules
import apps.payouts.rules
import apps.sites.owned
import apps.sites.rules.policy
import apps.sites.scope


class Migration(migrations.Migration):
    dependencies = [
        ("payouts", "0001_initial"),
        ("sites", "0002_asset_custody"),
    ]

    operations = [
        migrations.CreateModel(
            name="HotWallet",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("chain_id", models.PositiveBigIntegerField(help_text="EIP-155", verbose_name="chain id")),
                ("address", models.CharField(max_length=42, verbose_name="address")),
                ("next_nonce", models.PositiveBigIntegerField(default=0, verbose_name="next nonce")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
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
                "verbose_name": "hot wallet",
                "verbose_name_plural": "hot wallets",
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT", "UPDATE"], name="hotwallet_site_policy"
                    ),
                    models.UniqueConstraint(fields=("site", "id"), name="hotwallet_site_id_key"),
                    models.UniqueConstraint(fields=("site", "chain_id", "address"), name="hotwallet_once"),
                    apps.core.rules.Frozen(
                        fields=["site", "chain_id", "address"], name="hotwallet_frozen", once=False
                    ),
                    apps.payouts.rules.NeverFalls(field="next_nonce", name="hotwallet_nonce_never_falls"),
                ],
            },
        ),
        migrations.CreateModel(
            name="EvmToken",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("chain_id", models.PositiveBigIntegerField(help_text="EIP-155", verbose_name="chain id")),
                ("contract_address", models.CharField(max_length=42, verbose_name="contract address")),
                ("decimals", models.PositiveSmallIntegerField(verbose_name="decimals")),
                ("checked_at", models.DateTimeField(auto_now_add=True, verbose_name="checked at")),
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
                "verbose_name": "checked token",
                "verbose_name_plural": "checked tokens",
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT"], name="evmtoken_site_policy"
                    ),
                    models.UniqueConstraint(
                        fields=("site", "chain_id", "contract_address"), name="evmtoken_once"
                    ),
                    apps.core.rules.Frozen(
                        fields=["site", "chain_id", "contract_address", "decimals"],
                        name="evmtoken_frozen",
                        once=False,
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="EvmTransfer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("nonce", models.PositiveBigIntegerField(verbose_name="nonce")),
                ("contract_address", models.CharField(max_length=42, verbose_name="contract address")),
                ("to_address", models.CharField(max_length=42, verbose_name="to address")),
                ("amount_base_units", apps.core.amounts.BaseUnitsField(verbose_name="amount (base units)")),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("open", "Not at its depth yet"),
                            ("moved", "Mined, and it succeeded"),
                            ("reverted", "Mined, and it moved nothing"),
                            ("superseded", "The nonce was used by a transaction that is not ours"),
                        ],
                        default="open",
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                (
                    "attempt",
                    apps.sites.owned.SiteForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payouts.payoutattempt",
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
                    "wallet",
                    apps.sites.owned.SiteForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payouts.hotwallet",
                    ),
                ),
            ],
            options={
                "verbose_name": "EVM transfer",
                "verbose_name_plural": "EVM transfers",
                "indexes": [
                    models.Index(
                        condition=models.Q(("outcome", "open")),
                        fields=["site", "wallet"],
                        name="evmtransfer_open",
                    )
                ],
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT", "UPDATE"], name="evmtransfer_site_policy"
                    ),
                    models.UniqueConstraint(fields=("site", "id"), name="evmtransfer_site_id_key"),
                    apps.sites.rules.policy.SiteReference(
                        field="attempt", name="evmtransfer_attempt_site_fk"
                    ),
                    apps.sites.rules.policy.SiteReference(field="wallet", name="evmtransfer_wallet_site_fk"),
                    models.UniqueConstraint(fields=("site", "attempt"), name="evmtransfer_one_an_attempt"),
                    models.UniqueConstraint(
                        fields=("site", "wallet", "nonce"), name="evmtransfer_nonce_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("amount_base_units__gt", 0)), name="evmtransfer_amount_positive"
                    ),
                    apps.payouts.rules.SignedOnlyWhileOpen(name="evmtransfer_attempt_open"),
                    apps.core.rules.Transitions(
                        born=["open"],
                        edges={
                            "open": ["moved", "reverted", "superseded"],
                            "superseded": ["moved", "reverted"],
                        },
                        field="outcome",
                        name="evmtransfer_outcomes",
                    ),
                    apps.core.rules.Frozen(
                        fields=[
                            "site",
                            "attempt",
                            "wallet",
                            "nonce",
                            "contract_address",
                            "to_address",
                            "amount_base_units",
                        ],
                        name="evmtransfer_frozen",
                        once=False,
                    ),
                    apps.audit.trail.AuditTrail(
                        fields=["attempt", "nonce", "to_address", "amount_base_units", "outcome"],
                        name="evmtransfer_audit",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="EvmTransaction",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=apps.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveSmallIntegerField(verbose_name="number")),
                ("gas_limit", models.PositiveBigIntegerField(verbose_name="gas limit")),
                ("max_fee_wei", models.PositiveBigIntegerField(verbose_name="maximal fee (wei a gas)")),
                (
                    "max_priority_fee_wei",
                    models.PositiveBigIntegerField(verbose_name="maximal tip (wei a gas)"),
                ),
                ("raw", models.TextField(verbose_name="signed transaction")),
                ("tx_hash", models.CharField(max_length=66, verbose_name="transaction hash")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("block_number", models.PositiveBigIntegerField(blank=True, null=True, verbose_name="block")),
                ("block_hash", models.CharField(blank=True, max_length=66, verbose_name="block hash")),
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
                    "transfer",
                    apps.sites.owned.SiteForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="payouts.evmtransfer",
                    ),
                ),
            ],
            options={
                "verbose_name": "EVM transaction",
                "verbose_name_plural": "EVM transactions",
                "constraints": [
                    apps.sites.rules.policy.SitePolicy(
                        grants=["SELECT", "INSERT", "UPDATE"], name="evmtransaction_site_policy"
                    ),
                    apps.sites.rules.policy.SiteReference(
                        field="transfer", name="evmtransaction_transfer_site_fk"
                    ),
                    models.UniqueConstraint(
                        fields=("site", "transfer", "number"), name="evmtransaction_number_once"
                    ),
                    models.UniqueConstraint(fields=("site", "tx_hash"), name="evmtransaction_hash_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("block_hash", ""), ("block_number__isnull", True)),
                            models.Q(
                                ("block_number__isnull", False), models.Q(("block_hash", ""), _negated=True)
                            ),
                            _connector="OR",
                        ),
                        name="evmtransaction_block_whole",
                    ),
                    apps.core.rules.Frozen(
                        fields=[
                            "site",
                            "transfer",
                            "number",
                            "gas_limit",
                            "max_fee_wei",
                            "max_priority_fee_wei",
                            "raw",
                            "tx_hash",
                        ],
                        name="evmtransaction_frozen",
                        once=False,
                    ),
                    apps.audit.trail.AuditTrail(
                        fields=["tx_hash", "max_fee_wei", "block_number", "block_hash"],
                        name="evmtransaction_audit",
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="payoutattempt",
            name="payoutattempt_frozen",
        ),
        migrations.AddField(
            model_name="payoutattempt",
            name="custody_provider",
            field=models.CharField(
                choices=[("fireblocks", "Fireblocks"), ("evm", "Our own hot wallet, directly on chain")],
                db_default="fireblocks",
                default="fireblocks",
                max_length=16,
                verbose_name="custody provider",
            ),
        ),
        migrations.AddConstraint(
            model_name="payoutattempt",
            constraint=apps.core.rules.Frozen(
                fields=["site", "payout", "number", "external_id", "custody_provider"],
                name="payoutattempt_frozen",
                once=False,
            ),
        ),
        migrations.AddConstraint(
            model_name="payoutattempt",
            constraint=apps.payouts.rules.FailsOnlyUnsigned(name="payoutattempt_fails_unsigned"),
        ),
    ]
