"""Faults that a test or a curious person orders: they wait until a request or an event takes them.

One fault may be for what is about a certain object only, or strike at random from a seed.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from devstack.sandbox_parts.store import Document, Store

REQUEST_FAULTS = frozenset(
    {
        "hang_before",
        "accept_then_hang",
        "late_accept",
        "slow",
        "error_500_before",
        "error_500_after",
        "rate_limit",
    }
)
WEBHOOK_FAULTS = frozenset({"drop_webhooks", "duplicate_webhooks", "delay_webhooks", "forge_webhooks"})
DEFAULT_SECONDS = 30.0


@dataclass(frozen=True)
class Fault:
    """A fault that was taken: its kind, how long it lasts, and an outcome for kind "outcome"."""

    kind: str
    seconds: float
    outcome: str


class Faults:
    """The ordered list of waiting faults."""

    def __init__(self, store: Store, *, outcomes: Collection[str] = (), also: Collection[str] = ()) -> None:
        """``also``: kinds that only this sandbox knows."""
        self._store = store
        self._outcomes = frozenset(outcomes)
        self._also = frozenset(also)

    def add(self, spec: Document) -> Document:
        """Order one; ValueError if malformed.

        {operation?: glob, fault, times?: 1, seconds?: 30, outcome?, about?: text, chance?: 0 to 1, seed?: text}:
        ``about`` is a text that request or event must hold, in any case of letters. With ``chance`` each of the
        ``times`` that would take the fault draws from ``seed`` whether it does: the same seed, the same draws.
        """
        outcome = str(spec.get("outcome") or "")
        kind = str(spec.get("fault") or ("outcome" if outcome else ""))
        known = REQUEST_FAULTS | WEBHOOK_FAULTS | self._also
        known |= {"outcome"} if self._outcomes else frozenset()
        if kind not in known:
            raise ValueError(f"fault must be one of {', '.join(sorted(known))}")
        if kind == "outcome" and outcome not in self._outcomes:
            raise ValueError(f"outcome must be one of {', '.join(sorted(self._outcomes))}")
        fault: Document = {
            "id": uuid.uuid4().hex,
            "operation": str(spec.get("operation") or "*"),
            "fault": kind,
            "times": max(1, int(spec.get("times", 1))),
            "seconds": max(0.0, float(spec.get("seconds", DEFAULT_SECONDS))),
            "outcome": outcome,
            "about": str(spec.get("about") or "").lower(),
            "chance": min(1.0, max(0.0, float(spec.get("chance", 1.0)))),
            "seed": str(spec.get("seed") or ""),
        }
        self._store.add("fault", fault["id"], fault)
        return fault

    def take(self, kinds: Collection[str], names: Sequence[str], text: str = "") -> Fault | None:
        """Use up one of the oldest fault of these kinds whose operation matches any of these names.

        ``text`` is what the request or event holds.
        """
        about = text.lower()
        with self._store.transaction():
            for fault in self.waiting():
                if (
                    fault["fault"] in kinds
                    and any(fnmatchcase(name, fault["operation"]) for name in names)
                    and fault["about"] in about
                ):
                    self._use_up(fault)
                    if _strikes(fault):
                        return Fault(fault["fault"], fault["seconds"], fault["outcome"])
        return None

    def waiting(self) -> list[Document]:
        """All waiting faults, oldest first."""
        return list(self._store.newest("fault"))[::-1]

    def clear(self) -> None:
        """Forget all waiting faults."""
        for fault in self.waiting():
            self._store.delete("fault", fault["id"])

    def _use_up(self, fault: Document) -> None:
        if fault["times"] <= 1:
            self._store.delete("fault", fault["id"])
        else:
            self._store.save("fault", fault["id"], {**fault, "times": fault["times"] - 1})


def _strikes(fault: Document) -> bool:
    chance = float(fault["chance"])
    if chance >= 1.0:
        return True
    # `times` counts down with each draw, so that a restart of the sandbox draws on where it was.
    draw = random.Random(f"{fault['seed']} {fault['times']}")  # noqa: S311 - chosen to be repeatable
    return draw.random() < chance
