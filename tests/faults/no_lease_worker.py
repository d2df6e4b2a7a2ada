"""Breaks the promise on purpose: a payout that another worker holds is due, and is claimed as if nobody held it."""

from __future__ import annotations

from apps.payouts import leases

_SABOTAGE = {
    "AND (lease_until IS NULL OR lease_until <= now())": "",
    "next_attempt_at = now() + %(lease)s": "next_attempt_at = now()",
}


def _sabotaged(statement: str) -> str:
    for lease, without in _SABOTAGE.items():
        if lease not in statement:
            raise RuntimeError(f"the claim does not say any more: {lease}")
        statement = statement.replace(lease, without)
    return statement


vars(leases)["_CLAIM_DUE"] = _sabotaged(leases._CLAIM_DUE)
