"""What our rows say. STEP functions: they read the open scope's site, by keys or by the time of settling."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.operations.threeway.compare import BookedPayment, BookedRefund, BookedTransfer, Money
from apps.orders.models import Order, OrderStatus, Refund, RefundStatus
from apps.payouts.evm_models import EvmTransaction
from apps.payouts.models import AttemptStatus, PayoutAttempt, PayoutStatus
from apps.sites.models import Asset, CustodyProvider
from apps.sites.scope import current_site_id

_MONEY_CAME = (OrderStatus.PAID, OrderStatus.DISPUTED, OrderStatus.REFUND_DUE, OrderStatus.REFUNDED)


class TooMuch(Exception):
    """A span of time or blocks holds more than one step may look at: ask for a shorter one."""


@dataclass(frozen=True, slots=True)
class WalletPlace:
    """A wallet and the token contract that it sends from."""

    chain_id: int
    contract_address: str
    wallet: str


@dataclass(frozen=True, slots=True)
class SentAs:
    """How to ask the other side for a transfer of ours: by its external id, or on chain by one of ``hashes``."""

    provider: str
    decimals: int
    place: WalletPlace | None = None
    hashes: tuple[str, ...] = ()


def payments(keys: Collection[str], order_ids: Mapping[str, UUID]) -> dict[str, BookedPayment]:
    """The orders of these PaymentIntents. ``order_ids``: what a payment says of itself, for an order that has not
    heard the intent's id yet."""
    rows = _orders().filter(payment_intent_id__in=keys)
    found = {order.payment_intent_id: _payment(order) for order in rows}
    unheard = {order_id: key for key, order_id in order_ids.items() if key in keys and key not in found}
    for order in _orders().filter(id__in=unheard, payment_intent_id=""):
        found[unheard[order.id]] = _payment(order)
    return found


def refunds(keys: Collection[str]) -> dict[str, BookedRefund]:
    """The rows of these refunds of Stripe."""
    rows = Refund.objects.filter(site_id=current_site_id(), stripe_refund_id__in=keys)
    return {
        row.stripe_refund_id: BookedRefund(
            row_id=row.id,
            amount=Money(row.amount_minor, row.order.currency.lower()),
            status=row.status,
        )
        for row in rows.select_related("order")
    }


def transfers(keys: Collection[str]) -> dict[str, BookedTransfer]:
    """The payouts behind these external ids."""
    rows = _attempts().filter(external_id__in=keys).select_related("payout")
    return {attempt.external_id: _transfer(attempt) for attempt in rows}


def external_ids(hashes: Collection[str]) -> dict[str, str]:
    """Those of these transactions that we signed, each with the external id that it was signed for."""
    rows = EvmTransaction.objects.filter(site_id=current_site_id(), tx_hash__in=hashes)
    return dict(rows.values_list("tx_hash", "transfer__attempt__external_id"))


def intents_of_site(keys: Collection[str]) -> set[str]:
    """Which of these PaymentIntents are of an order of this site."""
    return set(_orders().filter(payment_intent_id__in=keys).values_list("payment_intent_id", flat=True))


def paid_between(since: datetime, until: datetime, most: int | None) -> list[str]:
    """The PaymentIntents of orders paid in a span of time. Raises TooMuch."""
    rows = _orders().filter(paid_at__gte=since, paid_at__lt=until).exclude(payment_intent_id="")
    return _bounded(rows.values_list("payment_intent_id", flat=True), most)


def refunded_between(since: datetime, until: datetime, most: int | None) -> list[str]:
    """Stripe's ids of refunds that succeeded in a span of time. Raises TooMuch."""
    rows = Refund.objects.filter(
        site_id=current_site_id(),
        settled_at__gte=since,
        settled_at__lt=until,
        status=RefundStatus.SUCCEEDED,
    )
    return _bounded(rows.values_list("stripe_refund_id", flat=True), most)


def sent_between(since: datetime, until: datetime, most: int | None) -> dict[str, SentAs]:
    """What payouts paid in a span of time were sent as, by external id. Raises TooMuch."""
    rows = _attempts().filter(
        payout__settled_at__gte=since,
        payout__settled_at__lt=until,
        payout__status=PayoutStatus.PAID,
        status=AttemptStatus.SUCCEEDED,
    )
    return _sent_as(_bounded(rows.select_related("payout__asset"), most))


def sent_as(keys: Collection[str]) -> dict[str, SentAs]:
    """How to ask for these external ids; without those that are nobody's."""
    return _sent_as(list(_attempts().select_related("payout__asset").filter(external_id__in=keys)))


def assets() -> list[Asset]:
    """The site's assets."""
    return list(Asset.objects.filter(site_id=current_site_id()))


def first_block_of(wallet: str, contract_address: str) -> int | None:
    """The block of the first transfer that was mined for a wallet and token, None before there is one."""
    rows = EvmTransaction.objects.filter(
        site_id=current_site_id(),
        transfer__contract_address__iexact=contract_address,
        transfer__wallet__address__iexact=wallet,
        block_number__isnull=False,
    )
    return rows.order_by("id").values_list("block_number", flat=True).first()


def wallet_of(asset_id: UUID) -> WalletPlace | None:
    """Where an asset is sent from today."""
    asset = Asset.objects.filter(site_id=current_site_id(), id=asset_id).first()
    return WalletPlace(asset.chain_id, asset.contract_address, asset.custody_vault_id) if asset else None


def _orders() -> QuerySet[Order]:
    return Order.objects.filter(site_id=current_site_id())


def _attempts() -> QuerySet[PayoutAttempt]:
    return PayoutAttempt.objects.filter(site_id=current_site_id())


def _bounded(rows: Any, most: int | None) -> list[Any]:
    found = list(rows if most is None else rows[: most + 1])
    if most is not None and len(found) > most:
        raise TooMuch
    return found


def _payment(order: Order) -> BookedPayment:
    return BookedPayment(
        row_id=order.id,
        amount=Money(order.amount_minor, order.currency.lower()),
        refunded_minor=order.refunded_minor,
        status=order.status,
        is_paid=order.status in _MONEY_CAME,
    )


def _transfer(attempt: PayoutAttempt) -> BookedTransfer:
    payout = attempt.payout
    return BookedTransfer(
        row_id=payout.id,
        amount_base_units=payout.amount_base_units,
        to_address=payout.to_address,
        tx_hash=payout.tx_hash,
        status=payout.status,
        is_moved=payout.status == PayoutStatus.PAID and attempt.status == AttemptStatus.SUCCEEDED,
        is_held=payout.status == PayoutStatus.HELD,
    )


def _sent_as(attempts: Sequence[PayoutAttempt]) -> dict[str, SentAs]:
    direct = {one.id: one for one in attempts if one.custody_provider == CustodyProvider.EVM}
    found = {
        one.external_id: SentAs(provider=one.custody_provider, decimals=one.payout.asset.decimals)
        for one in attempts
    }
    signed = EvmTransaction.objects.filter(site_id=current_site_id(), transfer__attempt_id__in=direct)
    for row in signed.select_related("transfer__wallet").order_by("-number"):
        transfer, attempt = row.transfer, direct[row.transfer.attempt_id]
        before = found[attempt.external_id]
        # What the payout says first: another of the same nonce may have been mined instead.
        hashes = before.hashes or ((attempt.payout.tx_hash,) if attempt.payout.tx_hash else ())
        found[attempt.external_id] = replace(
            before,
            hashes=tuple(dict.fromkeys((*hashes, row.tx_hash))),
            place=WalletPlace(transfer.wallet.chain_id, transfer.contract_address, transfer.wallet.address),
        )
    return found
