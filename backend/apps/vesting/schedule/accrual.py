"""How much of a total has accrued at any instant: an exact, never falling function of whole seconds."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate

from apps.vesting.schedule.equal import MAX_PARTS, NEVER, Part
from apps.vesting.schedule.faults import TermsError

_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Ramp:
    """`amount` over the seconds from `begins_at` to `ends_at`; nothing of it is due before `due_from`."""

    begins_at: datetime
    ends_at: datetime
    due_from: datetime
    amount: int

    def at(self, instant: datetime) -> int:
        if instant < self.due_from:
            return 0
        if instant >= self.ends_at:
            return self.amount
        elapsed_s = (instant - self.begins_at) // _SECOND
        return self.amount * elapsed_s // ((self.ends_at - self.begins_at) // _SECOND)


@dataclass(frozen=True)
class Curve:
    """Steps (instant, base units) and ramps of one clock."""

    steps: tuple[tuple[datetime, int], ...]
    ramps: tuple[Ramp, ...] = ()
    milestones: tuple[tuple[str, int], ...] = ()  # (code, base units): due at an event of no known date

    @cached_property
    def instants(self) -> list[datetime]:
        """Of the steps, in order, each once."""
        return sorted({instant for instant, _ in self.steps})

    @cached_property
    def _until(self) -> list[int]:
        at: dict[datetime, int] = dict.fromkeys(self.instants, 0)
        for instant, amount in self.steps:
            at[instant] += amount
        return [0, *accumulate(at.values())]

    def at(self, instant: datetime) -> int:
        """Base units that have accrued at `instant` (aware); the instant itself counts."""
        stepped = self._until[bisect_right(self.instants, instant)]
        return stepped + sum(ramp.at(instant) for ramp in self.ramps)

    def first_at(self) -> datetime:
        """No base unit is due before it; NEVER where all of them wait for events."""
        return min(self._marks(ramp.due_from for ramp in self.ramps), default=NEVER)

    def ends_at(self) -> datetime:
        """Everything that waits for no event is due from then on."""
        return max(self._marks(ramp.ends_at for ramp in self.ramps), default=NEVER)

    def _marks(self, of_ramps: Iterable[datetime]) -> list[datetime]:
        return [*(instant for instant, _ in self.steps), *of_ramps]


@dataclass(frozen=True)
class Accrual:
    """A total under its terms. `unlocking` is the second clock, where the terms have one."""

    total_base_units: int
    start_at: datetime
    vesting: Curve
    unlocking: Curve | None = None

    @property
    def is_continuous(self) -> bool:
        """Whether it grows by the second, so that no list of dated parts can say it."""
        return bool(self.vesting.ramps or (self.unlocking and self.unlocking.ramps))

    def payable_at(self, instant: datetime) -> int:
        """Base units that have vested and may be transferred: the lesser of the two clocks."""
        vested = self.vesting.at(instant)
        return vested if self.unlocking is None else min(vested, self.unlocking.at(instant))

    def first_at(self) -> datetime:
        """No base unit is payable before it."""
        return max(curve.first_at() for curve in self._curves())

    def ends_at(self) -> datetime:
        """Everything is payable from then on."""
        return max(curve.ends_at() for curve in self._curves())

    def parts(self) -> list[Part]:
        """The dated parts, then those of milestones; they sum to the total. Index 0 is at the start, others from 1.

        Raises TermsError continuous, too_many_releases.
        """
        if self.is_continuous:
            raise TermsError("continuous", "terms that accrue by the second have no list of parts")
        made: list[Part] = []
        before = 0
        for instant in sorted({instant for curve in self._curves() for instant in curve.instants}):
            until = self.payable_at(instant)
            if until > before:
                index = made[-1].index + 1 if made else int(instant > self.start_at)
                made.append(Part(index, instant, until - before))
                before = until
        for code, amount in self.vesting.milestones:
            made.append(Part(made[-1].index + 1 if made else 1, NEVER, amount, code))
        if len(made) > MAX_PARTS:
            raise TermsError("too_many_releases", f"more than {MAX_PARTS} releases")
        return made

    def _curves(self) -> list[Curve]:
        return [self.vesting] if self.unlocking is None else [self.vesting, self.unlocking]
