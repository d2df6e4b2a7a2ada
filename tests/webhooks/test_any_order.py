"""Events twice, in any order and late: the books end as if each had come at once and once."""

from __future__ import annotations

from functools import cache
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.webhooks.dispatch import HANDLERS, STRIPE_EVENT_TYPES
from tests.webhooks.stories import STORIES, Story, World

pytestmark = pytest.mark.usefixtures("database", "stripe_sandbox", "fireblocks_sandbox", "bells_lost")

_codes = count(1)
# Announced for what our payments never do (manual capture) and for evidence that staff hand in: truth is asked all
# the same, and no story of the sandbox makes them.
NOT_MADE_HERE = {"payment_intent.amount_capturable_updated", "charge.dispute.updated"}


def begun(story: Story) -> World:
    """A world in which our side has followed the first steps."""
    world = World(f"S{next(_codes)}")
    for step in story.steps[: story.known]:
        step(world)
        hear_all(world)
    return world


def hear_all(world: World) -> dict[str, str]:
    """Every event so far, in order, and the work that follows; what became of each by its type."""
    became = {one.event_type: world.hear(one) for one in world.announcements()}
    world.work()
    return became


@cache
def in_order(name: str) -> dict[str, Any]:
    """What the books say when each event comes at once and once."""
    story = STORIES[name]
    world = begun(story)
    for step in story.steps[story.known :]:
        step(world)
        hear_all(world)
    books = world.end()
    assert books["order"][0] == story.ends
    assert world.faults() == []
    return books


@pytest.mark.parametrize("name", STORIES)
@settings(
    max_examples=2,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_the_books_end_alike_however_the_events_come(name: str, data: st.DataObject) -> None:
    # Given what happens, of which any part is heard at any time, or not yet
    story = STORIES[name]
    expected = in_order(name)
    world = begun(story)
    for step in story.steps[story.known :]:
        step(world)
        heard = world.announcements()
        for place in data.draw(st.lists(st.integers(0, len(heard) - 1), max_size=2)):
            world.hear(heard[place])
        if data.draw(st.booleans()):
            world.work()

    # When all of them come late, in any order and some of them again
    events = world.announcements()
    late = data.draw(st.permutations(events))
    again = data.draw(st.lists(st.sampled_from(events), max_size=3))
    pause = data.draw(st.integers(0, len(late)))
    for place, event in enumerate([*late, *again]):
        world.hear(event)
        if place == pause:
            world.work()

    # Then
    assert world.end() == expected
    assert world.faults() == []


def test_the_stories_tell_every_handler_of_every_kind_of_event() -> None:
    told: dict[str, str] = {}
    for name in ("processing, then failed", "cancelled at Stripe", "a refund fails and is made again"):
        told |= _heard(STORIES[name])
    for name in ("dispute won", "payout completed"):
        told |= _heard(STORIES[name])

    handled = {event_type for event_type, became in told.items() if became == "handled"}
    assert {
        prefix for _provider, prefix in HANDLERS if not any(one.startswith(prefix) for one in handled)
    } == set()
    assert set(STRIPE_EVENT_TYPES) - handled == NOT_MADE_HERE


def _heard(story: Story) -> dict[str, str]:
    world = begun(story)
    for step in story.steps[story.known :]:
        step(world)
    return hear_all(world)
