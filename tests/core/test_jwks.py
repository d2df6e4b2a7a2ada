"""The cache of published signature keys, against a real HTTP server."""

import threading
from collections.abc import Iterator

import pytest

from apps.core.jwks import JwksCache, JwksUnavailable, UnknownKid
from tests.http_peers import Answer, Peer, jwk, rsa_key, running_peer


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def peer() -> Iterator[Peer]:
    with running_peer() as running:
        running.always(published("one"))
        yield running


def published(*kids: str) -> Answer:
    return Answer(body={"keys": [jwk(rsa_key(kid), kid) for kid in kids]})


def test_a_known_key_is_fetched_once(peer: Peer) -> None:
    cache = JwksCache(peer.url)
    assert cache.key_for("one").public_numbers() == rsa_key("one").public_key().public_numbers()
    cache.key_for("one")
    assert len(peer.asked) == 1


def test_an_unknown_kid_refetches_and_finds_the_new_key(peer: Peer) -> None:
    clock = Clock()
    cache = JwksCache(peer.url, clock=clock)
    cache.key_for("one")
    peer.always(published("one", "two"))
    clock.now_s += 31
    assert cache.key_for("two")


def test_unknown_kids_do_not_become_requests_below_the_floor(peer: Peer) -> None:
    clock = Clock()
    cache = JwksCache(peer.url, clock=clock)
    for forged in range(20):
        with pytest.raises(UnknownKid):
            cache.key_for(f"forged-{forged}")
    assert len(peer.asked) == 1
    clock.now_s += 31
    with pytest.raises(UnknownKid):
        cache.key_for("forged")
    assert len(peer.asked) == 2


def test_known_keys_survive_an_outage_and_unknown_ones_are_unavailable(peer: Peer) -> None:
    clock = Clock()
    cache = JwksCache(peer.url, clock=clock)
    cache.key_for("one")
    peer.always(Answer(500))
    clock.now_s += 700
    assert cache.key_for("one")
    with pytest.raises(JwksUnavailable):
        cache.key_for("two")


def test_an_outage_at_the_first_use_is_unavailable_and_heals(peer: Peer) -> None:
    clock = Clock()
    cache = JwksCache(peer.url, clock=clock)
    peer.always(Answer(503))
    with pytest.raises(JwksUnavailable):
        cache.key_for("one")
    peer.always(published("one"))
    clock.now_s += 31
    assert cache.key_for("one")


def test_a_withdrawn_key_stops_working_after_the_ttl(peer: Peer) -> None:
    clock = Clock()
    cache = JwksCache(peer.url, clock=clock)
    cache.key_for("one")
    peer.always(published("two"))
    clock.now_s += 601
    with pytest.raises(UnknownKid):
        cache.key_for("one")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b"<html>"),
        Answer(body=[1, 2]),
        Answer(body={"keys": {}}),
        Answer(body={"keys": []}),
        Answer(body=b'{"keys":' + b"[" * 50_000),
        Answer(body=b'{"keys": [], "x": "' + b"x" * 300_000 + b'"}'),
        Answer(302, headers={"Location": "/elsewhere"}),
        Answer(drop=True),
        Answer(hang=True),
    ],
    ids=["html", "list", "no-list", "empty", "nested", "huge", "redirect", "dropped", "hanging"],
)
def test_an_unusable_answer_is_an_outage(peer: Peer, answer: Answer) -> None:
    peer.always(answer)
    with pytest.raises(JwksUnavailable):
        JwksCache(peer.url, timeout_s=0.3).key_for("one")
    assert len(peer.asked) == 1


@pytest.mark.parametrize(
    "entry",
    [
        jwk(rsa_key("weak", 1024), "kid"),
        jwk(rsa_key("one"), "kid", use="enc"),
        jwk(rsa_key("one"), "kid", kty="EC"),
        jwk(rsa_key("one"), "kid", n="!!"),
        jwk(rsa_key("one"), "kid", n=17),
        {"kty": "oct", "kid": "kid", "k": "c2VjcmV0"},
        "kid",
    ],
    ids=["1024-bits", "encryption", "other-kind", "not-base64", "number", "symmetric", "text"],
)
def test_only_strong_rsa_signature_keys_count(peer: Peer, entry: object) -> None:
    peer.always(Answer(body={"keys": [entry, jwk(rsa_key("one"), "one")]}))
    cache = JwksCache(peer.url)
    with pytest.raises(UnknownKid):
        cache.key_for("kid")
    assert cache.key_for("one")


def test_threads_share_one_fetch(peer: Peer) -> None:
    cache = JwksCache(peer.url)
    together = threading.Barrier(8)
    found: list[object] = []

    def ask() -> None:
        together.wait()
        found.append(cache.key_for("one"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(found) == 8
    assert len(peer.asked) == 1
