"""Which function makes which fault of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from devstack.faults import postgres_faults, process_faults, provider_faults, redis_faults, twin_faults
from devstack.faults.place import Place
from devstack.faults.provider_faults import PROVIDER_FAULTS, order_fault, provider_of
from devstack.faults.sale import Sale
from devstack.faults.scene import Scene

# Faults of the whole stack.
STRIKES: Mapping[str, Callable[[Scene], None]] = {
    "kill-worker": process_faults.kill_worker,
    "kill-worker-main": process_faults.kill_worker_main,
    "kill-child": process_faults.kill_child,
    "kill-beat": process_faults.kill_beat,
    "kill-web-child": process_faults.kill_web_child,
    "kill-web": process_faults.kill_web,
    "redis-flush": redis_faults.flush,
    "redis-restart": redis_faults.restart,
    "redis-full": redis_faults.full,
    "redis-evicts": redis_faults.evicts,
    "redis-cut": redis_faults.cut,
    "postgres-restart": postgres_faults.restart,
    "postgres-terminate": postgres_faults.terminate,
    "postgres-serialization": postgres_faults.serialization,
    "postgres-lock": postgres_faults.lock,
    "two-beats": twin_faults.two_beats,
    "same-task-twice": twin_faults.same_task_twice,
    "stale-worker": twin_faults.stale_worker,
    "provider-clock": provider_faults.clocks_off,
    "chain-reorg": provider_faults.chain_reorg,
}


def order(place: Place, sale: Sale) -> None:
    """Arrange the sale's own fault at its provider."""
    url = place.sandboxes.url(provider_of(sale.case.step))
    order_fault(url, sale, PROVIDER_FAULTS[sale.case.fault.name])


def strike(scene: Scene) -> None:
    """Do what the stroke is about, and decide about everything that is held."""
    name = scene.sales[0].case.fault.name
    if name in STRIKES:
        STRIKES[name](scene)
    else:
        for sale, held in scene.by_sale.items():
            if held:
                order(scene.place, sale)
    scene.pass_all()
