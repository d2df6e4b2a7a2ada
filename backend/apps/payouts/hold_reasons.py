"""Why a payout is held, in words for whoever has to decide about it."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

HOLD_REASONS: dict[str, Any] = {
    "asset_differs": _(
        "The provider sent another asset than was approved. Look at the transfer there; nothing is paid again "
        "by itself."
    ),
    "amount_differs": _(
        "The provider sent, or means to send, another amount than was approved. Compare the transfer there with "
        "this payout."
    ),
    "address_differs": _(
        "The provider sent, or means to send, to another address than was approved. Compare the transfer there "
        "with this payout."
    ),
    "hash_missing": _(
        "The provider says that it is completed and names no transaction hash. Ask again, or find the "
        "transaction on chain."
    ),
    "provider_needs_person": _(
        "The provider ended the transfer in a way that does not prove that nothing moved: it failed with a "
        "transaction hash, or was completed only in part. Look at the hash on chain."
    ),
    "rejected_after_unknown": _(
        "An earlier send got no answer, a later one was refused, and the provider does not know the transfer. "
        "Ask again; when it is still unknown, it can be released back."
    ),
    "sent_before_restore": _(
        "The database was restored from a backup, and a transfer that it does not know went to this address. When it "
        "was this payout's, settle it with that transaction's hash; otherwise release it back."
    ),
    "transfer_missing": _(
        "The transfer was sent and the provider does not find it. Ask the provider before anything else."
    ),
}
_UNKNOWN = _("Look at the attempts of this payout and at the provider.")


def hold_reason(code: str) -> str:
    """The sentence for a hold code; empty for a payout that was never held."""
    return str(HOLD_REASONS.get(code, _UNKNOWN)) if code else ""
