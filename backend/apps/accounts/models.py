"""Who somebody is (identity), what they may do in a site (membership), and where their tokens go (wallet)."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.wallet_models import Wallet as Wallet  # Django finds models here only
from apps.accounts.wallet_models import WalletChange as WalletChange
from apps.accounts.wallet_models import WalletNotice as WalletNotice
from apps.accounts.wallet_models import WalletProof as WalletProof
from apps.audit.trail import AuditTrail
from apps.core.ids import uuid7
from apps.core.rules import AppendOnly, Frozen
from apps.sites.owned import SiteOwned
from apps.sites.rules.lookup import LookupFunction
from apps.sites.rules.policy import site_rules


class IdentityManager(BaseUserManager["Identity"]):
    def create_user(self, subject: str, password: str | None = None, **fields: Any) -> Identity:
        """An identity with a local password, for the admin; without one it can only use access tokens."""
        identity = self.model(subject=subject, **fields)
        identity.set_password(password)
        identity.save(using=self._db)
        return identity

    def create_superuser(self, subject: str, password: str | None = None, **fields: Any) -> Identity:
        """A platform administrator."""
        return self.create_user(subject, password, **{"is_staff": True, "is_platform_admin": True, **fields})


class Identity(AbstractBaseUser):
    """A person or machine, by the subject of its tokens. Belongs to no site and holds no personal data."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.CharField(
        _("subject"), max_length=255, unique=True, help_text=_("The token's sub, or the admin login name")
    )
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("may enter the admin"), default=False)
    is_platform_admin = models.BooleanField(_("platform administrator"), default=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects: ClassVar[IdentityManager] = IdentityManager()

    USERNAME_FIELD = "subject"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("identity")
        verbose_name_plural = _("identities")

    def __str__(self) -> str:
        return self.subject

    def has_perm(self, perm: str, obj: object | None = None) -> bool:
        """Installation-wide rights (schedule, sites); rights inside a site come from memberships."""
        return self.is_active and self.is_platform_admin

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and self.is_staff


class Role(models.TextChoices):
    """What a member may do; docs/roles.md has the table."""

    BUYER = "buyer", _("Buyer")
    OPERATOR = "operator", _("Operator")
    APPROVER = "approver", _("Approver")
    AUDITOR = "auditor", _("Auditor")


class MemberSites(LookupFunction):
    """``member_sites(identity)``: a person's active places, for choosing one in the admin."""

    def signature(self) -> tuple[str, str]:
        return "person uuid", "TABLE (site_id uuid, member_id uuid, role text)"

    def columns(self) -> list[str]:
        return ["site", "id", "identity", "role", "is_active"]

    def query(self, model: type[models.Model]) -> str:
        return (
            f'SELECT m.site_id, m.id, m.role::text FROM public."{model._meta.db_table}" m JOIN public.sites_site s '
            "ON s.id = m.site_id WHERE m.identity_id = person AND m.is_active AND s.is_active"
        )


class Membership(SiteOwned):
    """One person's place in one site, with one role."""

    identity = models.ForeignKey(Identity, on_delete=models.PROTECT, related_name="+", db_index=False)
    role = models.CharField(_("role"), max_length=8, choices=Role.choices, default=Role.BUYER)
    is_active = models.BooleanField(_("active"), default=True)
    # Personal data: of the site alone, and in no history.
    notice_email = models.EmailField(_("mail address for notices"), blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        indexes = [models.Index(fields=["identity", "site"], name="membership_identity")]
        constraints = [
            *site_rules("membership"),
            models.UniqueConstraint(fields=["site", "identity"], name="membership_once"),
            models.CheckConstraint(condition=Q(role__in=Role.values), name="membership_role_known"),
            Frozen(name="membership_frozen", fields=["site", "identity"]),
            AuditTrail(name="membership_audit", fields=["identity", "role", "is_active"]),
            MemberSites(name="member_sites"),
        ]

    def __str__(self) -> str:
        return f"{self.identity} ({self.get_role_display()})"


class LoginTry(models.Model):
    """How often entering the admin failed for one name, address or second factor. Belongs to no site.

    The key is a keyed hash (``tries.py``): neither names nor addresses can be read from a row.
    """

    key = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveIntegerField(_("failures"))
    locked_until = models.DateTimeField(_("locked until"), null=True)
    forget_at = models.DateTimeField(_("forgotten at"))

    class Meta:
        verbose_name = _("login tries")
        verbose_name_plural = _("login tries")
        indexes = [models.Index(fields=["forget_at"], name="logintry_forget")]

    def __str__(self) -> str:
        return self.key[:12]


class PlatformEvent(models.Model):
    """What was done or looked at over all sites: append-only, and site-less because it is about all of them."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField(_("at"), auto_now_add=True)
    actor_kind = models.CharField(_("actor kind"), max_length=16)
    actor_id = models.CharField(_("actor"), max_length=255)
    request_id = models.CharField(_("request id"), max_length=64, blank=True)
    action = models.CharField(_("action"), max_length=32)
    target = models.CharField(_("what was meant"), max_length=255, blank=True)

    class Meta:
        verbose_name = _("platform event")
        verbose_name_plural = _("platform events")
        constraints = [AppendOnly(name="platformevent_append_only")]

    def __str__(self) -> str:
        return self.action
