"""A running stack with the crowd's site on it, and what its operator can see and do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TextIO

import psycopg2
import requests

from devstack.api_client import ApiClient
from devstack.crowd.people import Sale
from devstack.environment import BACKEND
from devstack.stack import StackFailedError, start_temporary

WEB_PROCESSES, WEB_THREADS = 3, 8
HOLD_MINUTES = 1
_CLOSE = """
UPDATE tiers_tier SET closes_at = clock_timestamp() + interval '1 second' WHERE id = %s RETURNING closes_at
"""


class Place(Protocol):
    """A running system: real processes, and the sandboxes that they speak to."""

    @property
    def api_url(self) -> str: ...

    @property
    def stripe_url(self) -> str: ...

    def mint(self, subject: str) -> str: ...


@dataclass
class Market:
    """``environment`` is that of the system's processes. ``buyers``: (subject, wallet id) by number. ``closes_at`` is
    known once the closing tier closes."""

    place: Place
    environment: dict[str, str]
    code: str
    tiers: dict[Sale, str]
    buyers: list[tuple[str, str]]
    closes_at: datetime | None = None
    _tokens: dict[int, str] = field(default_factory=dict)

    def bring_token(self, buyer: int) -> None:
        """Have the buyer's bearer token ready before the race."""
        self._tokens[buyer] = self.place.mint(self.buyers[buyer][0])

    def client(self, buyer: int) -> ApiClient:
        """The API for one buyer, over a connection of their own."""
        return ApiClient(self.place.api_url, site_code=self.code, token=self._tokens[buyer])

    def close_soon(self) -> None:
        """The closing tier's window ends in one second."""
        with closing(psycopg2.connect(self._url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT set_config('app.actor_kind', 'command', true)")
            cursor.execute(_CLOSE, [self.tiers[Sale.CLOSING]])
            (self.closes_at,) = cursor.fetchone() or (None,)
            connection.commit()

    def ask(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """One look at the rows of all sites, as the superuser."""
        opened = psycopg2.connect(self._url, application_name="crowd")
        with closing(opened) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def settle(self, intent_id: str, outcome: str) -> None:
        """The bank's word about a payment that Stripe calls processing. Raises requests.HTTPError."""
        url = f"{self.place.stripe_url}/_sandbox/payment_intents/{intent_id}/settle"
        requests.post(url, json={"outcome": outcome}, timeout=10).raise_for_status()

    @property
    def _url(self) -> str:
        return self.environment["DATABASE_URL"]


def market_made(place: Place, environment: Mapping[str, str], *, buyers: int, units: int) -> Market:
    """The crowd's site with its buyers, made anew in a running system. Raises StackFailedError."""
    site = _seeded(environment, buyers=buyers, units=units)
    tiers = {Sale(name): tier_id for name, tier_id in site["tiers"].items()}
    return Market(place, dict(environment), site["code"], tiers, [(one, two) for one, two in site["buyers"]])


@contextmanager
def running_market(*, buyers: int, units: int, output: TextIO) -> Iterator[Market]:
    """On a throw-away stack by the Procfile."""
    own = {
        "WEB_CONCURRENCY": str(WEB_PROCESSES),
        "THREADS": str(WEB_THREADS),
        "ORDER_HOLD_MINUTES": str(HOLD_MINUTES),
        "LOG_LEVEL": "WARNING",
    }
    with start_temporary(output, variables=own) as stack:
        yield market_made(stack, stack.environment() | own, buyers=buyers, units=units)


def _seeded(environment: Mapping[str, str], **plan: int) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "devstack.crowd.seed"],
        cwd=BACKEND,
        env=dict(environment),
        input=json.dumps(plan),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackFailedError(f"The crowd's site could not be made:\n{done.stderr}")
    site: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return site
