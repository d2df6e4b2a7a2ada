"""A verdict on one sale: lost, doubled, stranded, or nothing at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from devstack.faults.checks import judge
from devstack.faults.plan import schedule
from devstack.faults.report import as_markdown, as_text, lines_of
from devstack.faults.stroke import Run
from devstack.faults.truth import Books, Sent

OWED = 10**18
ADDRESS = "0xAb" + "0" * 38


@dataclass
class StillSale:
    """What the checks read of a sale."""

    order_id: str = "order"
    address: str = ADDRESS
    tokens_base_units: int = OWED
    trouble: str = ""


def run(*, recovery_s: float | None = 3.0) -> Run:
    case = schedule(seed=1, runs=1)[0].cases[0]
    return Run(case, cast(Any, StillSale()), True, recovery_s)


def books(*sent: int, payments: int = 1) -> Books:
    paid = {"order": [5000] * payments} if payments else {}
    transfers = [Sent(amount, f"0x{number}") for number, amount in enumerate(sent)]
    return Books(paid, {ADDRESS.lower(): transfers} if transfers else {}, frozenset())


@pytest.mark.parametrize(
    ("told", "through", "released", "expected"),
    [
        (books(OWED), True, OWED, (0, 0, 0)),
        (books(OWED, OWED), True, OWED, (0, 1, 0)),
        (books(OWED + 1), True, OWED, (0, 1, 0)),
        (books(OWED, payments=2), True, OWED, (0, 1, 0)),
        (books(), True, OWED, (1, 0, 0)),
        (books(OWED - 1), True, OWED, (1, 0, 0)),
        (books(), False, 0, (0, 0, 1)),
        (books(OWED, OWED), False, 0, (0, 1, 1)),
    ],
)
def test_the_verdict(told: Books, through: bool, released: int, expected: tuple[int, int, int]) -> None:
    found = judge(run(), "rows", through, released, told)

    assert (found.lost, found.doubled, found.stranded) == expected
    assert bool(found.told) is any(expected)


def test_the_table_counts_by_fault_and_step_and_takes_the_median() -> None:
    judgements = [judge(run(recovery_s=s), "", True, OWED, books(OWED)) for s in (1.0, 2.0, 30.0)]
    judgements.append(judge(run(recovery_s=None), "", False, 0, books()))

    (line,) = lines_of(judgements)

    assert (line.runs, line.lost, line.doubled, line.stranded, line.median_s) == (4, 0, 0, 1, 2.0)
    assert f"{line.fault}" in as_text([line])
    assert as_markdown([line]).count("\n") == 2
