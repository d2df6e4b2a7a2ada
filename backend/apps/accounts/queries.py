"""Reads of people and their places in a site."""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from apps.accounts.models import Identity, Membership, Role, Wallet
from apps.accounts.wallet_models import OPEN_CHANGES, ChangeStatus, ProofPurpose, WalletChange, WalletProof
from apps.sites.scope import current_site_id


def active_member(*, subject: str) -> Membership | None:
    """The active membership of an active identity in the open scope's site, with its identity."""
    return (
        Membership.objects.select_related("identity")
        .filter(
            site_id=current_site_id(), identity__subject=subject, identity__is_active=True, is_active=True
        )
        .first()
    )


def active_wallet(*, member_id: UUID) -> Wallet | None:
    """The member's active wallet, or None; ``is_proved`` says whether they have signed for its address."""
    return wallets_of(member_id=member_id).filter(is_active=True).first()


def wallets_of(*, member_id: UUID) -> QuerySet[Wallet]:
    """The member's wallets, former ones too, each with ``is_proved``."""
    wallets = Wallet.objects.filter(site_id=current_site_id(), member_id=member_id)
    return wallets.annotate(is_proved=Exists(proofs_of_wallet()))


def proofs_of_wallet() -> QuerySet[WalletProof]:
    """For a sub-query of Wallet: what its member has signed with its address, to have tokens sent there."""
    return WalletProof.objects.filter(
        site_id=current_site_id(),
        member_id=OuterRef("member_id"),
        address=OuterRef("address"),
        purpose__in=[ProofPurpose.OWN, ProofPurpose.MOVE],
    )


def open_change(*, member_id: UUID) -> WalletChange | None:
    """The change of the member's address that is under way, or None."""
    return WalletChange.objects.filter(
        site_id=current_site_id(), member_id=member_id, status__in=OPEN_CHANGES
    ).first()


def changes_of(*, member_id: UUID) -> QuerySet[WalletChange]:
    """The member's wallet changes with the wallets that they left."""
    rows = WalletChange.objects.select_related("old_wallet")
    return rows.filter(site_id=current_site_id(), member_id=member_id)


def changes_of_site(*, status: ChangeStatus | None = None) -> QuerySet[WalletChange]:
    """All wallet changes of the open scope's site with the wallets that they left."""
    rows = WalletChange.objects.select_related("old_wallet").filter(site_id=current_site_id())
    return rows if status is None else rows.filter(status=status)


def members_of_site(*, role: Role | None = None) -> QuerySet[Membership]:
    """All members of the open scope's site with their identities, deactivated ones too."""
    members = Membership.objects.select_related("identity").filter(site_id=current_site_id())
    return members if role is None else members.filter(role=role)


def is_member(*, member_id: UUID) -> bool:
    """Whether there is such a member of the open scope's site, active or not."""
    return Membership.objects.filter(site_id=current_site_id(), id=member_id).exists()


def identity_named(*, subject: str) -> Identity | None:
    """The person who logs in under this name, or None; identities belong to no site."""
    return Identity.objects.filter(subject=subject).first()


def sites_of(*, identity_id: UUID) -> list[UUID]:
    """The sites in which a person is active; asked outside any scope, by the lookup role's function."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT site_id FROM public.member_sites(%s)", [identity_id])
        return [site_id for (site_id,) in cursor.fetchall()]
