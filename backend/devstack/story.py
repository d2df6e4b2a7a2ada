"""The story of one sale, from checkout to tokens paid out, told over real HTTP on any running system."""

from __future__ import annotations

import secrets
import time
from typing import Any, Protocol, TextIO

from devstack.narrator import Narrator
from devstack.story_buyer import BuyerStory
from devstack.story_payout import PayoutStory
from devstack.vesting_picture import picture

STEPS = 12


class Place(Protocol):
    """A running system. `seed` names a site's code and its staff, as `manage.py seed_demo --json` prints them."""

    @property
    def api_url(self) -> str: ...

    @property
    def stripe_url(self) -> str: ...

    @property
    def fireblocks_url(self) -> str: ...

    @property
    def seed(self) -> dict[str, Any]: ...

    def mint(self, subject: str) -> str:
        """A bearer token for `subject`."""
        ...


def tell(place: Place, output: TextIO) -> None:
    """Tell it with a buyer who was never there before. Raises StoryFailed or UnexpectedAnswer."""
    started_s = time.monotonic()
    narrator = Narrator(output, steps=STEPS)
    output.write(f"\nOne sale on site {place.seed['site_code']}, over {place.api_url}\n\n")
    buyer = BuyerStory(place, narrator, subject=f"demo|{secrets.token_hex(8)}")
    buyer.tell()
    PayoutStory(place, narrator, buyer=buyer).tell()
    output.write("\n" + picture(buyer.schedule(), buyer.releases(), buyer.asset) + "\n\n")
    output.write(f"All of it held, in {time.monotonic() - started_s:.1f} s.\n")
