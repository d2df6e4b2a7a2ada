"""Faults that a test or a curious person orders: they wait until a request or an event takes them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from devstack.sandbox_parts.store import Document, Store

REQUEST_FAULTS = frozenset(
    {"hang_before", "accept_then_hang", "slow", "error_500_before", "error_500_after", "rate_limit"}
)
WEBHOOK_FAULTS = frozenset({"drop_webhooks", "duplicate_webhooks"})
DEFAULT_SECONDS = 30.0


@dataclass(frozen=True)
class Fault:
    """A fault that was taken: its kind, how long it lasts, and an outcome for kind "outcome"."""

    kind: str
    seconds: float
    outcome: str


class Faults:
    """The ordered list of waiting faults."""

    def __init__(self, store: Store, *, outcomes: Collection[str] = ()) -> None:
        self._store = store
        self._outcomes = frozenset(outcomes)

    def add(self, spec: Document) -> Document:
        """Order one: {operation?: glob, fault, times?: 1, seconds?: 30, outcome?}; ValueError if malformed."""
        outcome = str(spec.get("outcome") or "")
        kind = str(spec.get("fault") or ("outcome" if outcome else ""))
        known = REQUEST_FAULTS | WEBHOOK_FAULTS | ({"outcome"} if self._outcomes else frozenset())
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
        }
        self._store.add("fault", fault["id"], fault)
        return fault

    def take(self, kinds: Collection[str], names: Sequence[str]) -> Fault | None:
        """Use up one of the oldest fault of these kinds whose operation matches any of these names."""
        with self._store.transaction():
            for fault in self.waiting():
                if fault["fault"] in kinds and any(fnmatchcase(name, fault["operation"]) for name in names):
                    self._use_up(fault)
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
