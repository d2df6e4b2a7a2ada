"""Every fault by name, its family, and the steps at which it may strike."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from devstack.faults.steps import STEP_NAMES, STEPS, Custody


class Reach(StrEnum):
    """Whom a fault hits."""

    STACK = "stack"  # everything that is under way
    ONE = "one"  # one sale; any number of them may be struck side by side


@dataclass(frozen=True)
class Fault:
    """``steps``: where it may strike. ``is_ordered``: it is arranged at the provider, and nothing is held back.

    ``custody``: it exists with that one only.
    """

    name: str
    family: str
    says: str
    reach: Reach = Reach.STACK
    steps: tuple[str, ...] = STEP_NAMES
    is_ordered: bool = False
    custody: Custody | None = None


_TO_PROVIDERS = ("stripe-create", "event-claimed", "send-counted", "custody-asked")
_ACCEPTING = ("stripe-create", "send-counted")
_EVENTS = ("webhook-arrives", "custody-event")
_IN_WORKER = tuple(step.name for step in STEPS if step.door[0] == "worker")
_ON_CHAIN = ("broadcast", "node-accepted", "settling")


def _one(name: str, says: str, steps: tuple[str, ...], *, is_ordered: bool = False) -> Fault:
    return Fault(name, "provider", says, Reach.ONE, steps, is_ordered)


FAULTS: tuple[Fault, ...] = (
    Fault("kill-worker", "process", "kill -9 of the workers with all their children"),
    Fault("kill-worker-main", "process", "kill -9 of the workers' main processes only"),
    Fault("kill-child", "process", "kill -9 of the worker children that stand at a step"),
    Fault("kill-beat", "process", "kill -9 of beat"),
    Fault("kill-web-child", "process", "kill -9 of the gunicorn workers that stand at a step"),
    Fault("kill-web", "process", "kill -9 of gunicorn with all its workers"),
    Fault("redis-flush", "redis", "FLUSHALL"),
    Fault("redis-restart", "redis", "Redis stopped, and started again"),
    Fault("redis-full", "redis", "memory full under noeviction, for 8 s"),
    Fault("redis-evicts", "redis", "memory full under allkeys-lru at 6 MB, until all is over"),
    Fault("redis-cut", "redis", "every connection to Redis cut"),
    Fault("postgres-restart", "postgres", "PostgreSQL stopped, and started again"),
    Fault("postgres-terminate", "postgres", "pg_terminate_backend of every connection of ours"),
    Fault("postgres-serialization", "postgres", "the next commit of each sale fails with 40001"),
    Fault("postgres-lock", "postgres", "somebody else locks orders and payouts for 8 s"),
    Fault("two-beats", "twins", "a second beat runs"),
    Fault("same-task-twice", "twins", "every task of the sale is sent again while the first copy stands still"),
    Fault(
        "stale-worker", "twins", "who stands at a step is stopped, and wakes after its lease ran out",
        steps=("stripe-create", "stripe-created", *_IN_WORKER),
    ),
    Fault(
        "provider-clock", "provider", "the providers' clocks are 5 minutes off, for 8 s",
        steps=("stripe-create", "webhook-arrives", "event-claimed", "send-counted", "custody-event", "custody-asked"),
    ),
    _one("provider-timeout", "no answer, and nothing was accepted", _TO_PROVIDERS),
    _one("provider-hangs", "accepted, then no answer", _ACCEPTING),
    _one("provider-500", "accepted, and answered with 500", _ACCEPTING),
    _one("provider-late", "no answer, and accepted 6 s after the caller gave up", _ACCEPTING),
    _one("provider-429", "429 with Retry-After", _TO_PROVIDERS),
    _one("webhooks-twice", "events delivered twice", _EVENTS, is_ordered=True),
    _one("webhooks-reordered", "events delivered behind those that came after them", _EVENTS, is_ordered=True),
    _one("webhooks-lost", "events never delivered", _EVENTS, is_ordered=True),
    _one("webhooks-forged", "events signed by somebody else come first", _EVENTS, is_ordered=True),
    Fault(
        "chain-reorg", "chain", "the chain's last 3 blocks are replaced", steps=_ON_CHAIN, custody=Custody.EVM
    ),
)  # fmt: skip


def fault_named(name: str) -> Fault:
    """The fault of that name. Raises ValueError."""
    for fault in FAULTS:
        if fault.name == name:
            return fault
    raise ValueError(f"there is no fault {name!r}; there are {', '.join(fault.name for fault in FAULTS)}")


def cells(only: Collection[tuple[str, str]] = ()) -> list[tuple[Fault, str]]:
    """Every pair of a fault and a step of its; ``only`` keeps pairs of names, "" standing for all."""
    for fault_name, step_name in only:
        if fault_name:
            fault_named(fault_name)
        if step_name and step_name not in STEP_NAMES:
            raise ValueError(f"there is no step {step_name!r}; there are {', '.join(STEP_NAMES)}")

    def wanted(fault: Fault, step: str) -> bool:
        return not only or any(f in ("", fault.name) and s in ("", step) for f, s in only)

    return [(fault, step) for fault in FAULTS for step in fault.steps if wanted(fault, step)]
