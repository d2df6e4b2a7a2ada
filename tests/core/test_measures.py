"""Counts are added up in the process, handed over in one go, and wait for a Redis that is away."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import redis

from apps.core import measures
from apps.core.measures import Fields, Measures
from tests.waiting import wait_until

ONE = [(("requests", "GET"), 1.0)]


@pytest.fixture
def told() -> list[Fields]:
    return []


@pytest.fixture
def quiet(told: list[Fields]) -> Measures:
    """Hands over when asked, not by itself."""
    return Measures(told.append, every_s=3600)


def test_a_sum_is_handed_over_once(quiet: Measures, told: list[Fields]) -> None:
    quiet.add(ONE)
    quiet.add(ONE)
    quiet.flush()
    quiet.flush()
    assert told == [{("requests", "GET"): 2.0}]


def test_it_hands_over_by_itself(told: list[Fields]) -> None:
    often = Measures(told.append, every_s=0.01)
    often.add(ONE)
    wait_until(lambda: told == [{("requests", "GET"): 1.0}], 5.0)


def test_what_redis_did_not_take_is_handed_over_with_the_next(told: list[Fields]) -> None:
    answers: Iterator[bool] = iter([False, True])

    def hand_over(sums: Fields) -> None:
        if not next(answers):
            raise redis.ConnectionError("away")
        told.append(sums)

    moody = Measures(hand_over, every_s=3600)
    moody.add(ONE)
    moody.flush()
    moody.add(ONE)
    moody.flush()
    assert told == [{("requests", "GET"): 2.0}]


def test_a_forked_process_does_not_hand_over_what_its_parent_counted(quiet: Measures) -> None:
    quiet.add(ONE)
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        handed: list[Fields] = []
        quiet._hand_over = handed.append
        quiet.add(ONE)
        quiet.flush()
        os.write(writes, str(handed).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reads, 1000).decode() == str([{("requests", "GET"): 1.0}])


def test_names_without_end_do_not_fill_the_memory(
    quiet: Measures, told: list[Fields], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "_MOST_FIELDS", 3)
    quiet.add([(("path", str(n)), 1.0) for n in range(10)])
    quiet.add([(("path", "0"), 1.0)])
    quiet.flush()
    assert told == [{("path", "0"): 2.0, ("path", "1"): 1.0, ("path", "2"): 1.0}]


def test_sums_of_several_processes_add_up_in_redis(redis_url: str) -> None:
    for _ in range(2):
        measures._to_redis({("requests", "GET"): 2, ("seconds_sum", "GET"): 0.25})
    assert measures.totals(timeout_s=2.0) == {("requests", "GET"): 4.0, ("seconds_sum", "GET"): 0.5}
