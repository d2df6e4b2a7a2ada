"""Where a member's tokens go: wallets, the signatures that prove them, guarded changes and notices of those."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from apps.accounts.wallet_rules import (
    CoolsOff,
    FirstOrChanged,
    ProofsFitChange,
    WalletFitsChange,
)
from apps.audit.trail import AuditTrail
from apps.core.rules import AppendOnly, Frozen, Transitions
from apps.sites.owned import SiteForeignKey, SiteOwned
from apps.sites.rules.lookup import DueQueue
from apps.sites.rules.policy import site_rules

ADDRESS = r"^0x[0-9a-fA-F]{40}$"


class Wallet(SiteOwned):
    """An address of a member, with its EIP-55 checksum. One is active; another follows by a WalletChange only."""

    member = SiteForeignKey("accounts.Membership")
    address = models.CharField(_("address"), max_length=42)
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("wallet")
        verbose_name_plural = _("wallets")
        constraints = [
            *site_rules("wallet", references=["member"]),
            models.UniqueConstraint(
                fields=["site", "member"], condition=Q(is_active=True), name="wallet_one_active"
            ),
            models.CheckConstraint(condition=Q(address__regex=ADDRESS), name="wallet_address_form"),
            Frozen(name="wallet_frozen", fields=["site", "member", "address"]),
            AuditTrail(name="wallet_audit", fields=["member", "address", "is_active"]),
            FirstOrChanged(name="wallet_first_or_changed"),
        ]

    def __str__(self) -> str:
        return self.address


class ProofPurpose(models.TextChoices):
    """What the signed statement says."""

    OWN = "own", _("This address is mine")
    LEAVE = "leave", _("No longer to this address")
    MOVE = "move", _("From now on to this address")


class ProofMethod(models.TextChoices):
    EIP191 = "eip191", _("Key (EIP-191)")
    EIP1271 = "eip1271", _("Contract (EIP-1271)")


class WalletProof(SiteOwned):
    """A signed message of EIP-4361 that was checked. Its nonce is good once: that is this table's unique key.

    ``other_address`` is where tokens go from now on (leave), or went before (move).
    """

    member = SiteForeignKey("accounts.Membership")
    purpose = models.CharField(_("purpose"), max_length=5, choices=ProofPurpose.choices)
    address = models.CharField(_("address"), max_length=42)
    other_address = models.CharField(_("other address"), max_length=42, blank=True)
    chain_id = models.PositiveBigIntegerField(_("chain id"))
    method = models.CharField(_("method"), max_length=7, choices=ProofMethod.choices)
    nonce = models.CharField(_("nonce"), max_length=96)
    message = models.TextField(_("message"))
    signature = models.TextField(_("signature"))
    expires_at = models.DateTimeField(_("expires at"))
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("wallet proof")
        verbose_name_plural = _("wallet proofs")
        indexes = [models.Index(fields=["site", "member", "address"], name="walletproof_address")]
        constraints = [
            *site_rules("walletproof", references=["member"], grants=["SELECT", "INSERT"]),
            models.UniqueConstraint(fields=["site", "nonce"], name="walletproof_nonce_once"),
            models.CheckConstraint(condition=Q(address__regex=ADDRESS), name="walletproof_address_form"),
            models.CheckConstraint(
                condition=Q(purpose="own", other_address="")
                | Q(purpose__in=["leave", "move"], other_address__regex=ADDRESS),
                name="walletproof_purpose_known",
            ),
            models.CheckConstraint(
                condition=Q(method__in=ProofMethod.values), name="walletproof_method_known"
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="walletproof_in_time"),
            AppendOnly(name="walletproof_append_only"),
            AuditTrail(
                name="walletproof_audit", fields=["member", "purpose", "address", "other_address", "nonce"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.address} {self.get_purpose_display()}"


class ChangeStatus(models.TextChoices):
    AWAITING_STAFF = "awaiting_staff", _("Waits for two members of staff")
    COOLING_OFF = "cooling_off", _("Cooling off")
    DONE = "done", _("Done")
    STOPPED = "stopped", _("Stopped")


OPEN_CHANGES = (ChangeStatus.AWAITING_STAFF, ChangeStatus.COOLING_OFF)


class WalletChange(SiteOwned):
    """Another address for a member: by old and new signature, or by the new one and two members of staff.

    PostgreSQL itself sets ``active_at``, from the site's cooling-off, and refuses to be done before it.
    """

    member = SiteForeignKey("accounts.Membership")
    old_wallet = SiteForeignKey(Wallet)
    new_address = models.CharField(_("new address"), max_length=42)
    status = models.CharField(_("status"), max_length=14, choices=ChangeStatus.choices)
    new_proof = SiteForeignKey(WalletProof)
    old_proof = SiteForeignKey(WalletProof, null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    first_approver = SiteForeignKey("accounts.Membership", null=True, blank=True)
    second_approver = SiteForeignKey("accounts.Membership", null=True, blank=True)
    active_at = models.DateTimeField(_("active at"), null=True, blank=True)
    new_wallet = SiteForeignKey(Wallet, null=True, blank=True)
    stopped_by = SiteForeignKey("accounts.Membership", null=True, blank=True)
    stop_reason = models.CharField(_("stopped because"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)

    class Meta:
        verbose_name = _("wallet change")
        verbose_name_plural = _("wallet changes")
        indexes = [
            models.Index(
                fields=["site", "active_at"], condition=Q(status="cooling_off"), name="walletchange_due"
            ),
            models.Index(fields=["site", "member", "id"], name="walletchange_member"),
        ]
        constraints = [
            *site_rules(
                "walletchange",
                references=[
                    "member",
                    "old_wallet",
                    "new_proof",
                    "old_proof",
                    "first_approver",
                    "second_approver",
                    "new_wallet",
                    "stopped_by",
                ],
            ),
            models.UniqueConstraint(
                fields=["site", "member"],
                condition=Q(status__in=["awaiting_staff", "cooling_off"]),
                name="walletchange_one_open",
            ),
            models.UniqueConstraint(fields=["site", "new_proof"], name="walletchange_new_proof_once"),
            models.UniqueConstraint(fields=["site", "old_proof"], name="walletchange_old_proof_once"),
            models.CheckConstraint(condition=Q(new_address__regex=ADDRESS), name="walletchange_address_form"),
            models.CheckConstraint(
                condition=Q(status__in=["awaiting_staff", "stopped"])
                | Q(old_proof__isnull=False)
                | Q(first_approver__isnull=False, second_approver__isnull=False),
                name="walletchange_both_proofs_or_two_people",
            ),
            # Nobody twice, and nobody for themselves. A null makes a comparison unknown, which a CHECK lets pass.
            models.CheckConstraint(
                condition=~Q(first_approver=F("second_approver"))
                & ~Q(first_approver=F("member"))
                & ~Q(second_approver=F("member")),
                name="walletchange_different_people",
            ),
            models.CheckConstraint(
                condition=Q(second_approver__isnull=True) | Q(first_approver__isnull=False),
                name="walletchange_first_before_second",
            ),
            models.CheckConstraint(
                condition=Q(status="awaiting_staff", active_at__isnull=True, finished_at__isnull=True)
                | Q(status="cooling_off", active_at__isnull=False, finished_at__isnull=True)
                | Q(status="done", active_at__isnull=False, finished_at__isnull=False)
                | Q(status="stopped", finished_at__isnull=False),
                name="walletchange_times",
            ),
            models.CheckConstraint(
                condition=Q(status="done", new_wallet__isnull=False)
                | (~Q(status="done") & Q(new_wallet__isnull=True)),
                name="walletchange_done_has_wallet",
            ),
            Transitions(
                name="walletchange_states",
                field="status",
                born=["awaiting_staff", "cooling_off"],
                edges={"awaiting_staff": ["cooling_off", "stopped"], "cooling_off": ["done", "stopped"]},
            ),
            Frozen(
                name="walletchange_frozen",
                fields=["site", "member", "old_wallet", "new_address", "new_proof", "old_proof"],
            ),
            Frozen(
                name="walletchange_once",
                fields=["first_approver", "second_approver", "active_at", "new_wallet", "stopped_by"],
                once=True,
            ),
            ProofsFitChange(name="walletchange_proofs"),
            CoolsOff(name="walletchange_cooling_off"),
            WalletFitsChange(name="walletchange_wallet"),
            AuditTrail(
                name="walletchange_audit",
                fields=[
                    "member",
                    "new_address",
                    "status",
                    "reason",
                    "first_approver",
                    "second_approver",
                    "active_at",
                    "stopped_by",
                    "stop_reason",
                ],
            ),
            DueQueue(
                name="due_sites_wallet_changes",
                due="active_at",
                when="w.status = 'cooling_off'",
                reads=["status"],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.new_address} {self.get_status_display()}"


class NoticeKind(models.TextChoices):
    AWAITING_STAFF = "awaiting_staff", _("A change was asked for")
    COOLING_OFF = "cooling_off", _("The cooling-off began")
    STOPPED = "stopped", _("The change was stopped")
    DONE = "done", _("The address has changed")
    EMAIL = "email", _("Notices go to another mail address")


class NoticeStatus(models.TextChoices):
    WAITING = "waiting", _("Waits")
    SENT = "sent", _("Sent")
    FAILED = "failed", _("Given up")
    NO_ADDRESS = "no_address", _("No mail address")


class WalletNotice(SiteOwned):
    """A mail to a member about the address that their tokens go to; kept until it is sent or given up."""

    member = SiteForeignKey("accounts.Membership")
    change = SiteForeignKey(WalletChange, null=True, blank=True)
    kind = models.CharField(_("kind"), max_length=14, choices=NoticeKind.choices)
    to_email = models.EmailField(_("to"), blank=True)
    status = models.CharField(_("status"), max_length=10, choices=NoticeStatus.choices)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    next_attempt_at = models.DateTimeField(_("next attempt at"), null=True, blank=True)
    error_code = models.CharField(_("error code"), max_length=64, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)

    class Meta:
        verbose_name = _("wallet notice")
        verbose_name_plural = _("wallet notices")
        indexes = [
            models.Index(
                fields=["site", "next_attempt_at"],
                condition=Q(next_attempt_at__isnull=False),
                name="walletnotice_due",
            ),
        ]
        constraints = [
            *site_rules("walletnotice", references=["member", "change"]),
            models.CheckConstraint(condition=Q(kind__in=NoticeKind.values), name="walletnotice_kind_known"),
            # What waits is found by the sweeper, and only that.
            models.CheckConstraint(
                condition=(Q(status="waiting", next_attempt_at__isnull=False) & ~Q(to_email=""))
                | Q(status__in=["sent", "failed", "no_address"], next_attempt_at__isnull=True),
                name="walletnotice_waiting_is_due",
            ),
            models.CheckConstraint(
                condition=~Q(status="sent") | Q(sent_at__isnull=False), name="walletnotice_sent_has_time"
            ),
            Transitions(
                name="walletnotice_states",
                field="status",
                born=["waiting", "no_address"],
                edges={"waiting": ["sent", "failed"]},
            ),
            Frozen(name="walletnotice_frozen", fields=["site", "member", "change", "kind", "to_email"]),
            AuditTrail(name="walletnotice_audit", fields=["member", "change", "kind", "status"]),
            DueQueue(
                name="due_sites_wallet_notices",
                due="next_attempt_at",
                when="w.next_attempt_at IS NOT NULL",
                reads=[],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.get_status_display()}"
