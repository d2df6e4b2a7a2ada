"""Version 7 identifiers."""

import threading
import time
from uuid import RFC_4122, UUID

import pytest

from apps.core import ids


def test_an_id_is_a_version_7_uuid_of_now() -> None:
    before_ms = time.time_ns() // 1_000_000
    made = ids.uuid7()
    after_ms = time.time_ns() // 1_000_000

    assert (made.version, made.variant) == (7, RFC_4122)
    assert before_ms <= made.int >> 80 <= after_ms


def test_ids_of_one_process_ascend_even_within_a_millisecond() -> None:
    made = [ids.uuid7() for _ in range(5_000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_a_clock_set_back_does_not_break_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids.uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1)

    assert ids.uuid7() > first


def test_threads_never_share_a_place_in_time() -> None:
    made: list[UUID] = []

    def make() -> None:
        made.extend(ids.uuid7() for _ in range(500))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({made_id.int >> 64 for made_id in made}) == 2_000
