"""Reads of people and their places in a site."""

from __future__ import annotations

from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from apps.accounts.models import Identity, Membership, Role, Wallet
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
    """The member's active wallet, or None."""
    return Wallet.objects.filter(site_id=current_site_id(), member_id=member_id, is_active=True).first()


def wallets_of(*, member_id: UUID) -> QuerySet[Wallet]:
    """The member's wallets, former ones too."""
    return Wallet.objects.filter(site_id=current_site_id(), member_id=member_id)


def members_of_site(*, role: Role | None = None) -> QuerySet[Membership]:
    """All members of the open scope's site with their identities, deactivated ones too."""
    members = Membership.objects.select_related("identity").filter(site_id=current_site_id())
    return members if role is None else members.filter(role=role)


def identity_named(*, subject: str) -> Identity | None:
    """The person who logs in under this name, or None; identities belong to no site."""
    return Identity.objects.filter(subject=subject).first()


def sites_of(*, identity_id: UUID) -> list[UUID]:
    """The sites in which a person is active; asked outside any scope, by the lookup role's function."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT site_id FROM public.member_sites(%s)", [identity_id])
        return [site_id for (site_id,) in cursor.fetchall()]
