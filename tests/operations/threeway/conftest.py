"""The chain of the payouts' tests, and a worker that stays out."""

from __future__ import annotations

from tests.payouts.conftest import bells_lost  # noqa: F401 - a fixture
from tests.payouts.evm.conftest import _chain, chain, key  # noqa: F401 - fixtures
