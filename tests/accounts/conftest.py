"""Fixtures shared with the payout tests."""

from tests.payouts.conftest import bells_lost

__all__ = ["bells_lost"]
