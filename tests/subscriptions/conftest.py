"""A receiver on this machine, which the settings allow by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from tests.http_peers import Answer, Peer, running_peer
from tests.subscriptions.scene import ACCEPTED


@pytest.fixture
def peer(settings: Settings) -> Iterator[Peer]:
    settings.WEBHOOK_PRIVATE_HOSTS = frozenset({"127.0.0.1"})
    with running_peer() as running:
        running.always(Answer(ACCEPTED))
        yield running
