"""Breaks the promise on purpose: a payout that another worker holds is claimed as if nobody did."""

from __future__ import annotations

from apps.payouts import leases

_HELD = "AND (lease_until IS NULL OR lease_until <= now())"
_DUE = "next_attempt_at <= now()"

for name in ("_CLAIM_DUE", "_CLAIM_ONE"):
    statement = getattr(leases, name)
    if _HELD not in statement:
        raise RuntimeError("the claim does not look at the lease where this saboteur takes that away")
    setattr(leases, name, statement.replace(_HELD, "").replace(_DUE, "next_attempt_at IS NOT NULL"))
