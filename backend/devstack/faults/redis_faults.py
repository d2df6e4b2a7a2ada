"""What may happen to Redis, which only rings."""

from __future__ import annotations

from devstack.faults.place import Place
from devstack.faults.scene import Scene

FULL_S = 8.0
_JUNK, _JUNK_BYTES, _JUNK_KEYS = "faults:junk:", 100_000, 80


def flush(scene: Scene) -> None:
    """FLUSHALL: queue, bindings and what was not acknowledged are gone."""
    with scene.place.redis_client() as client:
        client.flushall()


def restart(scene: Scene) -> None:
    """Stopped, and started again with what its file holds."""
    scene.place.redis.stop()
    scene.place.redis.start()


def full(scene: Scene) -> None:
    """No memory left under noeviction: every write is refused for a while."""
    _set(scene.place, maxmemory="1", policy="noeviction")
    scene.meanwhile(lambda: _as_it_was(scene.place), after_s=FULL_S)


def evicts(scene: Scene) -> None:
    """6 MB under allkeys-lru, which the deployment guide sets: queued tasks are thrown away in silence."""
    _set(scene.place, maxmemory="6mb", policy="allkeys-lru")
    with scene.place.redis_client() as client:
        for number in range(_JUNK_KEYS):
            client.set(f"{_JUNK}{number}", b"x" * _JUNK_BYTES)
    scene.undo_at_the_end(lambda: _as_it_was(scene.place))


def cut(scene: Scene) -> None:
    """Every connection ends, in the middle of whatever it was used for."""
    scene.place.doors.cut(["redis"])


def _set(place: Place, *, maxmemory: str, policy: str) -> None:
    with place.redis_client() as client:
        client.config_set("maxmemory-policy", policy)
        client.config_set("maxmemory", maxmemory)


def _as_it_was(place: Place) -> None:
    _set(place, maxmemory="0", policy="noeviction")
    with place.redis_client() as client:
        for key in client.scan_iter(f"{_JUNK}*"):
            client.delete(key)
