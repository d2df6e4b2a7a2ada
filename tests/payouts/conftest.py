"""Fixtures of tests that do a worker's work themselves."""

from __future__ import annotations

import pytest

from apps.core import doorbells


@pytest.fixture
def bells_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every doorbell is lost, as when Redis is down: a worker left running by another test stays out of this one."""
    monkeypatch.setattr(doorbells._bell, "is_quiet", lambda: True)
