"""Joining a site, roles in it, and wallets. The actor is bound by the caller before any of these."""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from apps.accounts.models import Identity, Membership, Role, Wallet
from apps.accounts.queries import active_wallet
from apps.accounts.wallet_models import ProofPurpose, WalletProof
from apps.accounts.wallet_proofs import Meant, SignedMessage, proof_check, proof_store
from apps.core.ids import uuid7
from apps.core.problems import Problem
from apps.sites.models import Site
from apps.sites.scope import require_scope, site_scope


def member_join(*, subject: str, member_id: UUID) -> tuple[Membership, bool]:
    """Make the owner of ``subject`` a buyer of the bound site; entry. Returns (membership, whether it is new).

    ``member_id`` is the id that a new membership gets, so that the caller can name it as the actor first.
    Raises Problem 403: registration_closed, identity_inactive or membership_inactive.
    """
    with site_scope() as site_id:
        found = _membership_of(subject)
        if found is None:
            if not Site.objects.filter(id=site_id, registration_open=True).exists():
                raise Problem("registration_closed", 403, _("This site does not accept new members."))
            found = member_ensure(identity=identity_ensure(subject=subject), member_id=member_id)
        if not found.identity.is_active:
            raise Problem("identity_inactive", 403, _("This login has been deactivated."))
        if not found.is_active:
            raise Problem("membership_inactive", 403, _("Your membership has been deactivated."))
        return found, found.id == member_id


def identity_ensure(*, subject: str) -> Identity:
    """The identity of ``subject``; a new one can only use access tokens. Step: inside the caller's scope."""
    require_scope()
    newcomer = Identity(subject=subject)
    newcomer.set_unusable_password()
    # Two first requests of one person may run at once: the second waits here and then reads the first's row.
    Identity.objects.bulk_create([newcomer], ignore_conflicts=True)
    return Identity.objects.get(subject=subject)


def member_ensure(
    *, identity: Identity, role: Role = Role.BUYER, member_id: UUID | None = None
) -> Membership:
    """The identity's membership of the open scope's site, made with ``role`` when there is none. Step.

    The role of an existing membership is left as it is.
    """
    require_scope()
    newcomer = Membership(id=member_id or uuid7(), identity=identity, role=role)
    Membership.objects.bulk_create([newcomer], ignore_conflicts=True)
    member = _membership_of(identity.subject)
    if member is None:
        raise Membership.DoesNotExist(identity.subject)
    return member


def member_role_set(*, member_id: UUID, role: Role, by_member_id: UUID) -> Membership:
    """Give a member another role; entry. Only an approver may, and never to themselves.

    Raises Problem 403 own_role or permission_denied, 404 not_found.
    """
    if member_id == by_member_id:
        raise Problem("own_role", 403, _("Nobody changes their own role: ask another approver."))
    with site_scope() as site_id:
        # Both rows in one order, so that two approvers who demote each other at once neither deadlock nor
        # both succeed: the second finds that it is no approver any more.
        locked = (
            Membership.objects.filter(site_id=site_id, id__in=[member_id, by_member_id])
            .order_by("id")
            .select_for_update()
        )
        members = {member.id: member for member in locked}
        by = members.get(by_member_id)
        if by is None or not by.is_active or by.role != Role.APPROVER:
            raise Problem("permission_denied", 403, _("Your role in this site does not allow this."))
        if member_id not in members:
            raise Problem("not_found", 404, _("There is nothing here."))
        Membership.objects.filter(site_id=site_id, id=member_id).update(role=role)
        return Membership.objects.select_related("identity").get(site_id=site_id, id=member_id)


def wallet_register(
    *, member_id: UUID, address: str, signed: SignedMessage | None = None
) -> tuple[Wallet, bool]:
    """Make ``address`` (EIP-55) the member's wallet; entry. Returns (wallet, whether it is new).

    With ``signed`` it is proved: a new one at once, or the one that is active already. Raises Problem 409
    wallet_exists when another one is active: replacing it is a WalletChange, because whoever steals a token must not
    be able to redirect somebody's payouts; and what proof_check and proof_store raise.
    """
    if signed is None:
        with site_scope():
            return _register(member_id, address)
    with site_scope():
        if (proved := _proved_by(member_id, address, signed)) is not None:
            return proved, False
    proof = proof_check(member_id=member_id, meant=Meant(ProofPurpose.OWN, address), signed=signed)
    with site_scope():
        _wallet, is_new = _register(member_id, address)
        proof_store(proof)
        wallet = active_wallet(member_id=member_id)
        assert wallet is not None  # registered in this transaction
        return wallet, is_new


def _register(member_id: UUID, address: str) -> tuple[Wallet, bool]:
    newcomer = Wallet(member_id=member_id, address=address)
    Wallet.objects.bulk_create([newcomer], ignore_conflicts=True)
    wallet = active_wallet(member_id=member_id)
    if wallet is None or wallet.address != address:
        raise Problem(
            "wallet_exists", 409, _("You have another wallet here already: ask for a change of it.")
        )
    return wallet, wallet.id == newcomer.id


def _proved_by(member_id: UUID, address: str, signed: SignedMessage) -> Wallet | None:
    """STEP: the active wallet when these very bytes have proved it: a repeat whose first answer was lost."""
    wallet = active_wallet(member_id=member_id)
    if wallet is None or wallet.address != address:
        return None
    same = WalletProof.objects.filter(
        site_id=require_scope(), member_id=member_id, address=address, purpose=ProofPurpose.OWN
    )
    found = any((row.message, row.signature) == (signed.message, signed.signature) for row in same)
    return wallet if found else None


def login_ensure(*, subject: str, password: str, is_platform_admin: bool = False) -> tuple[Identity, bool]:
    """A login for the admin by name and password; step. Returns (identity, whether it is new).

    The password of an existing login is left as it is. Raises Problem 409 login_is_token when the name
    belongs to somebody who signs in with access tokens only.
    """
    require_scope()
    newcomer = Identity(subject=subject, is_staff=True, is_platform_admin=is_platform_admin)
    newcomer.set_password(password)
    Identity.objects.bulk_create([newcomer], ignore_conflicts=True)
    identity = Identity.objects.get(subject=subject)
    if not (identity.is_staff and identity.has_usable_password()):
        raise Problem("login_is_token", 409, _("That name belongs to an identity without a password."))
    return identity, identity.id == newcomer.id


def _membership_of(subject: str) -> Membership | None:
    return (
        Membership.objects.select_related("identity")
        .filter(site_id=require_scope(), identity__subject=subject)
        .first()
    )
