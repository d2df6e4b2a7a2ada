"""Two stories over real HTTP on any running system: a sale from checkout to payout, and what comes after it."""

from __future__ import annotations

import secrets
import time
from typing import Any, Protocol, TextIO

from devstack.narrator import Narrator
from devstack.story_buyer import BuyerStory
from devstack.story_life import LifeStory
from devstack.story_payout import PayoutStory
from devstack.vesting_picture import picture

SALE_STEPS, LIFE_STEPS = 12, 4


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
    """Both stories, with a buyer who was never there before. Raises StoryFailed or UnexpectedAnswer."""
    tell_life(place, output, buyer=tell_sale(place, output))


def tell_sale(place: Place, output: TextIO) -> BuyerStory:
    """From checkout to tokens paid out; the buyer. Raises as `tell` does."""
    started_s = time.monotonic()
    narrator = Narrator(output, steps=SALE_STEPS)
    output.write(f"\nOne sale on site {place.seed['site_code']}, over {place.api_url}\n\n")
    buyer = BuyerStory(place, narrator, subject=f"demo|{secrets.token_hex(8)}")
    buyer.tell()
    PayoutStory(place, narrator, buyer=buyer).tell()
    output.write("\n" + picture(buyer.schedule(), buyer.releases(), buyer.asset) + "\n\n")
    output.write(f"All of it held, in {time.monotonic() - started_s:.1f} s.\n")
    return buyer


def tell_life(place: Place, output: TextIO, *, buyer: BuyerStory) -> None:
    """What may happen afterwards; it waits a minute for its statement. Raises as `tell` does."""
    started_s = time.monotonic()
    output.write("\nAnd what may happen to tokens that are owed\n\n")
    LifeStory(place, Narrator(output, steps=LIFE_STEPS), buyer=buyer).tell()
    output.write(f"\nThat held too, in {time.monotonic() - started_s:.1f} s.\n")
