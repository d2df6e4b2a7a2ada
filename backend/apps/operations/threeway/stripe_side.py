"""Stripe against our orders and refunds, by spans of time of its balance and single questions for the rest."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from apps.operations.models import StrayPayment
from apps.operations.threeway import booked
from apps.operations.threeway.booked import TooMuch
from apps.operations.threeway.compare import (
    Money,
    Subject,
    ToldPayment,
    ToldRefund,
    compare_payment,
    compare_refund,
)
from apps.operations.threeway.record import Looked, findings_write
from apps.orders.models import RefundStatus
from apps.orders.stripe_gateway import Payment, Refund, StripeGateway
from apps.sites.models import Site
from apps.sites.scope import bind_site, site_scope

logger = logging.getLogger("posx.threeway")

SOURCE = "stripe"
PAGES_MOST = 10
ROWS_MOST = 500
# Money comes before our row says so; a movement this much older than the span is still listed with it.
EARLIER = timedelta(minutes=30)


@dataclass
class Told:
    """What Stripe said, by key; None: asked for by its id, and there is none."""

    payments: dict[str, Payment | None] = field(default_factory=dict)
    refunds: dict[str, Refund | None] = field(default_factory=dict)

    def add(self, movements: Iterable[Payment | Refund]) -> None:
        """Take a page of Stripe's list."""
        for movement in movements:
            if isinstance(movement, Payment):
                self.payments[movement.key] = movement
            else:
                self.refunds[movement.id] = movement


def stripe_look(since: datetime, until: datetime, *, bounded: bool = True) -> Looked:
    """ENTRY: compare all that moved in a span of time, on either side, of every site. Raises TooMuch, RemoteError."""
    gateway = StripeGateway.from_settings()
    told = _listed(gateway, since - EARLIER, until, bounded)
    sites = list(Site.objects.order_by("id").values_list("id", flat=True))
    owners = _owners(gateway, told, sites)
    most = ROWS_MOST if bounded else None
    looked = Looked()
    for site_id in sites:
        with bind_site(site_id):
            with site_scope():
                paid = booked.paid_between(since, until, most)
                refunded = booked.refunded_between(since, until, most)
            payments = {key for key in told.payments if owners.get(key) == site_id} | set(paid)
            refunds = {
                key
                for key, one in told.refunds.items()
                if one and owners.get(one.intent_id or key) == site_id
            } | set(refunded)
            looked += compare_with_stripe(gateway, told, payments, refunds)
    _strays_write(told, owners)
    return looked


def compare_with_stripe(
    gateway: StripeGateway, told: Told, payments: Collection[str], refunds: Collection[str]
) -> Looked:
    """ENTRY: compare these of the bound site; what ``told`` does not hold is asked for one by one."""
    for key in payments:
        if key not in told.payments:
            told.payments[key] = gateway.find_payment(key)
    for key in refunds:
        if key not in told.refunds:
            told.refunds[key] = gateway.find_refund(key)
    if not payments and not refunds:
        return Looked()
    with site_scope():
        # Rows are read after Stripe was asked: what was booked meanwhile is no difference.
        orders = booked.payments(payments, _order_ids(told, payments))
        rows = booked.refunds(refunds)
        of_payments = {
            key: list(compare_payment(_payment(told.payments[key]), orders.get(key))) for key in payments
        }
        of_refunds = {key: list(compare_refund(_refund(told.refunds[key]), rows.get(key))) for key in refunds}
        return findings_write(source=SOURCE, subject=Subject.PAYMENT, found=of_payments) + findings_write(
            source=SOURCE, subject=Subject.REFUND, found=of_refunds
        )


def _listed(gateway: StripeGateway, since: datetime, until: datetime, bounded: bool) -> Told:
    told = Told()
    pages = gateway.list_movements(created_from=since, created_before=until)
    for number, page in enumerate(pages):
        if bounded and number >= PAGES_MOST:
            raise TooMuch
        told.add(page)
    return told


def _owners(gateway: StripeGateway, told: Told, sites: Collection[UUID]) -> dict[str, UUID]:
    """The site of each payment: the one whose order has its PaymentIntent, else the one that the payment names."""
    known = set(sites)
    wanted = set(told.payments) | {one.intent_id for one in told.refunds.values() if one and one.intent_id}
    owners: dict[str, UUID] = {}
    for site_id in sites if wanted else ():
        with bind_site(site_id), site_scope():
            owners |= dict.fromkeys(booked.intents_of_site(wanted), site_id)
    for key in wanted - owners.keys():
        payment = told.payments[key] if key in told.payments else gateway.find_payment(key)
        named = _uuid(payment, "site_id")
        if named is not None and named in known:
            owners[key] = named
    return owners


def _strays_write(told: Told, owners: dict[str, UUID]) -> None:
    strays = [one for key, one in told.payments.items() if one is not None and key not in owners]
    for one in strays:
        logger.error("Payment %s at Stripe names no site of ours", one.key)
    StrayPayment.objects.bulk_create(
        [
            StrayPayment(key=one.key, amount_minor=one.amount_minor, currency=one.currency.upper())
            for one in strays
        ],
        ignore_conflicts=True,
    )


def _order_ids(told: Told, keys: Collection[str]) -> dict[str, UUID]:
    named = {key: _uuid(told.payments.get(key), "order_id") for key in keys}
    return {key: order_id for key, order_id in named.items() if order_id is not None}


def _uuid(payment: Payment | None, name: str) -> UUID | None:
    try:
        return UUID(payment.metadata.get(name, "")) if payment else None
    except ValueError:
        return None  # typed by hand at Stripe


def _payment(one: Payment | None) -> ToldPayment | None:
    if one is None:
        return None
    return ToldPayment(Money(one.amount_minor, one.currency.lower()), one.refunded_minor)


def _refund(one: Refund | None) -> ToldRefund | None:
    if one is None:
        return None
    # As our own rows take a status that Stripe may add later.
    status = one.status if one.status in RefundStatus.values else RefundStatus.PENDING.value
    return ToldRefund(Money(one.amount_minor, one.currency.lower()), status)
