"""The rows of direct transfers: each function is one transaction, and nothing remote is called in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.payouts.custody.base import AlreadySubmitted, TransferRequest
from apps.payouts.custody.evm.erc20 import transfer_call
from apps.payouts.custody.evm.errors import TransferWaits
from apps.payouts.custody.evm.fees import Fees
from apps.payouts.custody.evm.signing import ContractCall, HotKey
from apps.payouts.evm_models import EvmToken, EvmTransaction, EvmTransfer, HotWallet, TransferOutcome
from apps.payouts.external_ids import external_id_parse
from apps.payouts.models import AttemptStatus, PayoutAttempt
from apps.sites.models import Asset
from apps.sites.scope import current_site_id, site_scope

# Nodes keep only so many waiting transactions of one sender; those above are dropped in silence.
IN_FLIGHT_MOST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What the chain said before signing: the wallet's nonce and balances, the gas needed and its price."""

    nonce: int
    token_base_units: int
    coin_wei: int
    gas_limit: int
    fees: Fees


@dataclass(frozen=True, slots=True)
class Stored:
    """A transfer with every transaction signed for it, the newest last."""

    transfer: EvmTransfer
    transactions: Sequence[EvmTransaction]


def attempt_of(external_id: str) -> PayoutAttempt | None:
    """ENTRY: the attempt with its payout, asset and site."""
    parsed = external_id_parse(external_id)
    if parsed is None:
        return None
    with site_scope() as site_id:
        rows = PayoutAttempt.objects.filter(site_id=site_id, id=parsed.attempt_id, external_id=external_id)
        return rows.select_related("payout__asset", "site").first()


def stored_for(*, attempt_id: UUID | None = None, transfer_id: UUID | None = None) -> Stored | None:
    """ENTRY: what was signed for an attempt, or a transfer by its own id."""
    which = Q(attempt_id=attempt_id) if attempt_id else Q(id=transfer_id)
    with site_scope() as site_id:
        rows = EvmTransfer.objects.filter(which, site_id=site_id)
        transfer = rows.select_related("wallet", "attempt__payout__asset", "site").first()
        if transfer is None:
            return None
        return Stored(transfer, list(_transactions(transfer)))


def pinned_decimals(asset: Asset) -> int | None:
    """ENTRY: the decimals that the token's contract answered once."""
    with site_scope() as site_id:
        rows = EvmToken.objects.filter(
            site_id=site_id, chain_id=asset.chain_id, contract_address=asset.contract_address
        )
        return rows.values_list("decimals", flat=True).first()


def pin_decimals(asset: Asset, decimals: int) -> None:
    """ENTRY: remember the contract's answer; the first one stays."""
    with site_scope():
        token = EvmToken(chain_id=asset.chain_id, contract_address=asset.contract_address, decimals=decimals)
        EvmToken.objects.bulk_create([token], ignore_conflicts=True)


def transfer_sign(attempt: PayoutAttempt, request: TransferRequest, key: HotKey, means: Means) -> Stored:
    """ENTRY: take a nonce, sign, and store both; after this commit the tokens are as good as sent.

    Locks the attempt, then the wallet. Raises AlreadySubmitted, TransferWaits.
    """
    asset = attempt.payout.asset
    with site_scope() as site_id:
        # A worker that woke late must not sign for an attempt that failed and whose tokens are being paid anew.
        rows = PayoutAttempt.objects.select_for_update(of=("self",)).filter(site_id=site_id, id=attempt.id)
        if rows.filter(status=AttemptStatus.OPEN).first() is None:
            raise TransferWaits("evm_attempt_closed", "the attempt is over")
        if EvmTransfer.objects.filter(site_id=site_id, attempt_id=attempt.id).exists():
            raise AlreadySubmitted("evm_already_signed", "a transfer is stored for this attempt")
        wallet = _locked_wallet(asset.chain_id, key.address)
        _require_means(wallet, asset, request.amount_base_units, means)
        nonce = _take_nonce(wallet, means.nonce)
        transfer = EvmTransfer.objects.create(
            attempt_id=attempt.id,
            wallet=wallet,
            nonce=nonce,
            contract_address=asset.contract_address,
            to_address=request.to_address,
            amount_base_units=request.amount_base_units,
        )
        return Stored(transfer, [_sign(transfer, key, number=1, gas_limit=means.gas_limit, fees=means.fees)])


def transfer_bump(stored: Stored, key: HotKey, fees: Fees) -> EvmTransaction | None:
    """ENTRY: sign the same nonce, recipient and amount again for other fees.

    None when somebody else did meanwhile, or the transfer's outcome is known.
    """
    newest = stored.transactions[-1]
    with site_scope() as site_id:
        rows = EvmTransfer.objects.select_for_update(of=("self",)).select_related("wallet")
        transfer = rows.filter(site_id=site_id, id=stored.transfer.id, outcome=TransferOutcome.OPEN).first()
        if transfer is None or _transactions(transfer).count() != newest.number:
            return None
        return _sign(transfer, key, number=newest.number + 1, gas_limit=newest.gas_limit, fees=fees)


def block_seen(
    stored: Stored, mined: EvmTransaction | None, block_number: int | None, block_hash: str
) -> bool:
    """ENTRY: write where a receipt was seen, and that none is elsewhere. Whether a block was taken back."""
    taken_back = False
    with site_scope() as site_id:
        for transaction in stored.transactions:
            here = mined is not None and transaction.id == mined.id
            block = (block_number, block_hash) if here else (None, "")
            if (transaction.block_number, transaction.block_hash) == block:
                continue
            taken_back = taken_back or transaction.block_number is not None
            rows = EvmTransaction.objects.filter(site_id=site_id, id=transaction.id)
            rows.update(block_number=block[0], block_hash=block[1])
    return taken_back


def outcome_write(stored: Stored, outcome: TransferOutcome) -> None:
    """ENTRY: what became of the nonce at its depth."""
    with site_scope() as site_id:
        rows = EvmTransfer.objects.filter(site_id=site_id, id=stored.transfer.id)
        rows.exclude(outcome=outcome).update(outcome=outcome)


def _locked_wallet(chain_id: int, address: str) -> HotWallet:
    wallet = HotWallet(chain_id=chain_id, address=address)
    HotWallet.objects.bulk_create([wallet], ignore_conflicts=True)
    return HotWallet.objects.select_for_update(of=("self",)).get(
        site_id=current_site_id(), chain_id=chain_id, address=address
    )


def _take_nonce(wallet: HotWallet, chain_nonce: int) -> int:
    # The chain may be ahead when the key was used by hand; it is behind while our own transactions wait.
    nonce = max(wallet.next_nonce, chain_nonce)
    HotWallet.objects.filter(site_id=current_site_id(), id=wallet.id).update(next_nonce=nonce + 1)
    return nonce


def _require_means(wallet: HotWallet, asset: Asset, amount_base_units: int, means: Means) -> None:
    """What waits to be mined is spent already, though the chain's balances do not show it yet."""
    waiting = _waiting(wallet)
    if len(waiting) >= IN_FLIGHT_MOST:
        raise TransferWaits("evm_wallet_busy", f"{len(waiting)} transfers wait to be mined")
    promised = sum(
        transfer.amount_base_units
        for transfer, _gas in waiting
        if transfer.contract_address == asset.contract_address
    )
    if means.token_base_units < promised + amount_base_units:
        raise TransferWaits("insufficient_funds", f"{wallet.address} holds too few {asset.code}")
    gas_wei = sum(gas for _transfer, gas in waiting) + means.gas_limit * means.fees.max_fee_wei
    if means.coin_wei < gas_wei:
        raise TransferWaits(
            "insufficient_gas", f"{wallet.address} holds too little to pay {gas_wei} wei of gas"
        )


def _waiting(wallet: HotWallet) -> list[tuple[EvmTransfer, int]]:
    """Transfers that no block is known to hold, each with the most that its gas may cost, in wei."""
    site_id = current_site_id()
    rows = EvmTransaction.objects.filter(
        site_id=site_id, transfer__wallet_id=wallet.id, transfer__outcome=TransferOutcome.OPEN
    )
    found: dict[UUID, tuple[EvmTransfer, int]] = {}
    mined: set[UUID] = set()
    for row in rows.select_related("transfer"):
        if row.block_number is not None:
            mined.add(row.transfer_id)
        gas_wei = row.gas_limit * row.max_fee_wei
        found[row.transfer_id] = (
            row.transfer,
            max(gas_wei, found.get(row.transfer_id, (row.transfer, 0))[1]),
        )
    return [entry for transfer_id, entry in found.items() if transfer_id not in mined]


def _sign(transfer: EvmTransfer, key: HotKey, *, number: int, gas_limit: int, fees: Fees) -> EvmTransaction:
    call = ContractCall(
        chain_id=transfer.wallet.chain_id,
        nonce=transfer.nonce,
        contract_address=transfer.contract_address,
        data=transfer_call(transfer.to_address, transfer.amount_base_units),
        gas_limit=gas_limit,
    )
    signed = key.sign(call, fees)
    return EvmTransaction.objects.create(
        transfer=transfer,
        number=number,
        gas_limit=gas_limit,
        max_fee_wei=fees.max_fee_wei,
        max_priority_fee_wei=fees.max_priority_fee_wei,
        raw=signed.raw,
        tx_hash=signed.tx_hash,
    )


def _transactions(transfer: EvmTransfer) -> QuerySet[EvmTransaction]:
    return EvmTransaction.objects.filter(site_id=current_site_id(), transfer_id=transfer.id).order_by(
        "number"
    )
