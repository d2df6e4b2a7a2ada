"""A campaign from its schedule to its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TextIO

from devstack.faults.checks import Judgement, judge_all, ledger_faults, strangers, what_waits
from devstack.faults.place import running_place
from devstack.faults.plan import Stroke
from devstack.faults.provider_faults import custody_forgets
from devstack.faults.report import Progress
from devstack.faults.rows import Rows
from devstack.faults.stroke import SETTLED_WITHIN_S, Run, play
from devstack.faults.truth import books_of

QUIET_WITHIN_S = 60.0


@dataclass
class Result:
    """What came out. ``wrong``: what waits for ever, does not add up, or was believed without being true."""

    judgements: list[Judgement] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def lost(self) -> int:
        """Sales whose money or tokens are gone."""
        return sum(one.lost for one in self.judgements)

    @property
    def doubled(self) -> int:
        """Sales that were paid, or paid out, twice."""
        return sum(one.doubled for one in self.judgements)

    @property
    def stranded(self) -> int:
        """Sales that did not come to their end in time."""
        return sum(one.stranded for one in self.judgements)

    @property
    def is_clean(self) -> bool:
        """Whether every promise held."""
        return not (self.wrong or self.lost or self.doubled or self.stranded)


def run_campaign(
    strokes: Sequence[Stroke],
    output: TextIO,
    *,
    settled_within_s: float = SETTLED_WITHIN_S,
    quiet_within_s: float = QUIET_WITHIN_S,
    worker_environment: Mapping[str, str] | None = None,
    custody_forgets_ids: bool = False,
) -> Result:
    """Play the strokes on a stack of their own and compare the books. Raises what the stack's start raises.

    ``custody_forgets_ids``: the custody provider accepts an external id again, so that only we prevent a double.
    """
    output.write("Starting a stack of its own ...\n")
    output.flush()
    progress = Progress(output, len(strokes))
    with running_place(worker_environment=worker_environment) as place:
        if custody_forgets_ids:
            custody_forgets(place)
        rows = Rows(place.database_url)
        runs: list[Run] = []
        try:
            for stroke in strokes:
                progress.begin(stroke.title)
                done = play(place, rows, stroke, progress.say, settled_within_s=settled_within_s)
                runs += done
                progress.end(_told(done))
            result = Result()
            result.wrong += what_waits(rows, quiet_within_s=quiet_within_s)
            books = books_of(place)
            result.judgements = judge_all(place, rows, runs, books)
            result.wrong += ledger_faults(place, rows)
            result.wrong += strangers(rows, books)
        finally:
            rows.stop()
    return result


def _told(runs: Sequence[Run]) -> str:
    through = sum(run.recovery_s is not None for run in runs)
    reached = sum(run.was_reached for run in runs)
    return f"{reached} of {len(runs)} struck at their step, {through} came to their end"
