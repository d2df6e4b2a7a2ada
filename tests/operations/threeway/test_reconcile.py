"""``manage.py reconcile`` and the periodic check: from where the cursors stand, in bounded spans, with exit codes."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.core.context import acting_as
from apps.operations.models import CheckCursor, Difference
from apps.operations.tasks import check_three_ways
from apps.operations.threeway import steps, stripe_side
from apps.operations.threeway.booked import TooMuch
from apps.operations.threeway.cursors import Claimed, cursor_claim, cursor_move
from apps.operations.threeway.record import Looked
from apps.operations.threeway.steps import Side, step, walk
from devstack.fireblocks_sandbox import FireblocksSandbox
from devstack.stripe_sandbox import StripeSandbox
from tests.factories import in_site
from tests.operations.threeway.test_stripe_side import falsify
from tests.orders.returns_scene import Returns
from tests.orders.scene import fault


@pytest.fixture
def sale(
    database: None,
    stripe_sandbox: StripeSandbox,
    fireblocks_sandbox: FireblocksSandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Returns]:
    """A paid order of 20.00 USD that counts as settled at once."""
    monkeypatch.setattr(steps, "SETTLED_AFTER_S", -60)
    with acting_as("task", "test"):
        yield Returns()


def reconcile(*arguments: str) -> tuple[int, str]:
    """Exit code and output."""
    out = io.StringIO()
    try:
        call_command("reconcile", *arguments, stdout=out)
    except CommandError as error:
        return error.returncode, out.getvalue()
    return 0, out.getvalue()


def open_kinds(sale: Returns) -> list[str]:
    with in_site(sale.site):
        return list(Difference.objects.filter(closed_at=None).values_list("kind", flat=True))


def test_nothing_differs(sale: Returns) -> None:
    code, said = reconcile("--full")
    assert (code, said) == (0, "1 compared, 0 differences open.\n")


def test_a_difference_is_a_line_with_its_row_and_exit_code_1(
    sale: Returns, stripe_sandbox: StripeSandbox
) -> None:
    falsify(stripe_sandbox, "charge", amount_captured=2001)
    code, said = reconcile()
    head, line, _count = said.splitlines()
    assert code == 1 and head.split() == ["site", "kind", "object_id", "row", "expected", "found"]
    assert line.split() == [
        "NA", "payment_amount", sale.paid.payment_intent_id, str(sale.paid.id), "2000", "USD", "2001", "USD",
    ]  # fmt: skip
    assert reconcile("--report") == (1, said.replace("1 compared", "0 compared"))


def test_as_json(sale: Returns, stripe_sandbox: StripeSandbox) -> None:
    falsify(stripe_sandbox, "charge", amount_captured=2001)
    code, said = reconcile("--json", "--site", "NA")
    document = json.loads(said)
    assert (code, document["compared"], document["strays"]) == (1, 1, [])
    [found] = document["differences"]
    assert (found["kind"], found["row"], found["found"]) == ("payment_amount", str(sale.paid.id), "2001 USD")


def test_a_site_that_is_unknown_is_said(sale: Returns) -> None:
    with pytest.raises(CommandError, match="There is no site XX"):
        call_command("reconcile", "--report", "--site", "XX")


def test_a_side_that_cannot_be_asked_is_exit_code_2_and_not_taken_for_nothing(sale: Returns) -> None:
    fault("balance_transactions.list", "rate_limit")
    code, said = reconcile()
    assert code == 2 and "stripe: stripe_rate_limited" in said
    assert open_kinds(sale) == []


def test_the_task_looks_and_the_next_one_does_not_look_again(
    sale: Returns, stripe_sandbox: StripeSandbox
) -> None:
    falsify(stripe_sandbox, "charge", amount_captured=2001)
    check_three_ways()
    assert open_kinds(sale) == ["payment_amount"]
    cursor = CheckCursor.objects.get(source="stripe")
    assert cursor.position > time.time() - 60 and cursor.next_at > datetime.now(UTC) + timedelta(minutes=4)
    fault("balance_transactions.list", "rate_limit")
    check_three_ways()
    assert CheckCursor.objects.get(source="stripe").error_code == ""


def test_an_outage_leaves_the_cursor_and_says_why(sale: Returns) -> None:
    fault("balance_transactions.list", "rate_limit")
    check_three_ways()
    cursor = CheckCursor.objects.get(source="stripe")
    assert cursor.error_code == "stripe_rate_limited" and cursor.position == steps.first_second()


def test_more_than_a_step_may_look_at_is_taken_in_shorter_spans(
    sale: Returns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe_side, "PAGES_MOST", 0)
    [side] = [one for one in steps.sides() if one.source == "stripe"]
    since = int(time.time()) - 4
    spans = [reached for reached, _looked in walk(side, since, since + 10)]
    assert spans[-1] == since + 10 and len(spans) == 10


def test_spans_halve_until_they_fit_and_grow_again() -> None:
    taken: list[tuple[int, int]] = []

    def look(since: int, until: int, bounded: bool) -> Looked:
        if bounded and until - since > 3 and since < 10:
            raise TooMuch
        taken.append((since, until))
        return Looked(1, 0)

    side = Side("x", 16, lambda: 0, lambda: 40, look)
    total = sum((looked for _at, looked in walk(side, 0, 40)), Looked())
    assert total.compared == len(taken)
    assert [since for since, _until in taken] == [0, *(until for _since, until in taken[:-1])]
    assert taken[-1][1] == 40 and max(until - since for since, until in taken) > 3


def test_two_workers_do_not_take_one_step_and_a_late_one_moves_nothing(database: None) -> None:
    first = cursor_claim("x", start=lambda: 5)
    assert first == Claimed("x", 5)
    assert cursor_claim("x", start=lambda: 9) is None
    CheckCursor.objects.update(lease_until=datetime.now(UTC) - timedelta(seconds=1))
    second = cursor_claim("x", start=lambda: 9)
    assert second == first
    cursor_move(Claimed("x", 5), 8, more=True)
    cursor_move(Claimed("x", 5), 6, more=True)
    assert CheckCursor.objects.get().position == 8


def test_a_side_that_breaks_does_not_keep_the_others_waiting(database: None) -> None:
    def broken(_since: int, _until: int, _bounded: bool) -> Looked:
        raise ValueError

    assert step(Side("x", 1, lambda: 0, lambda: 1, broken)) is None
    cursor: Any = CheckCursor.objects.get()
    assert (cursor.position, cursor.error_code) == (0, "failed")
