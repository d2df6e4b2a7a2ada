"""A pytest plugin: `--isolation` runs the tests marked `isolation(kind)` only; that and `--isolation-table` (all tests)
end with a table by kind and fail when one was not tried or did not hold.

Loaded for every run (pyproject.toml), so that any test may carry the mark. Under xdist the counts travel to the
controller inside the reports.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.isolation.kinds import KINDS

MARK = "isolation"
CASES = "isolation_cases"  # record_property(CASES, n): one test that tries n things
_TALLY = pytest.StashKey["Tally"]()


class Tally:
    """Cases, those that held, and negative controls, by kind."""

    def __init__(self) -> None:
        self.cases: Counter[str] = Counter()
        self.held: Counter[str] = Counter()
        self.controls: Counter[str] = Counter()

    def add(self, *, kind: str, control: bool, cases: int, passed: bool) -> None:
        """Count one test; a control that fails is a case that did not hold."""
        if control and passed:
            self.controls[kind] += cases
            return
        self.cases[kind] += cases
        self.held[kind] += cases if passed else 0

    def faults(self) -> list[str]:
        """Why the whole did not hold."""
        untried = [f"{kind}: no case" for kind in KINDS if not self.cases[kind]]
        return untried + [
            f"{kind}: {self.cases[kind] - self.held[kind]} of {self.cases[kind]} did not hold"
            for kind in KINDS
            if self.held[kind] < self.cases[kind]
        ]

    def lines(self) -> list[str]:
        """The table as text."""
        rows: list[tuple[str, ...]] = [
            (kind, tried, str(self.cases[kind]), str(self.held[kind]), str(self.controls[kind]))
            for kind, tried in KINDS.items()
        ]
        sums = tuple(str(counter.total()) for counter in (self.cases, self.held, self.controls))
        rows = [("kind", "what was tried", "cases", "held", "controls"), *rows, ("all", "", *sums)]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        form = "{:{}}  {:{}}  {:>{}}  {:>{}}  {:>{}}"
        return [
            form.format(*(part for pair in zip(row, widths, strict=True) for part in pair)) for row in rows
        ]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--isolation` and `--isolation-table`."""
    parser.addoption("--isolation", action="store_true", help="run the isolation tests and print their table")
    parser.addoption("--isolation-table", action="store_true", help="run all tests and print that table")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark; --strict-markers refuses others."""
    config.addinivalue_line("markers", f"{MARK}(kind, control=False): an attempt to cross a site")
    config.stash[_TALLY] = Tally()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note each item's kinds where reports carry them; with --isolation keep those items only."""
    kept = []
    for item in items:
        marks = list(item.iter_markers(MARK))
        for mark in marks:
            item.user_properties.append((MARK, _named(item, mark)))
        if marks:
            kept.append(item)
    if config.option.isolation:
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the call, or what kept it from being made. Reaches the controller and every worker."""
    if report.when != "call" and report.passed:
        return
    _reports.append(report)


_reports: list[pytest.TestReport] = []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run when a kind was not tried or did not hold."""
    config = session.config
    if not _wants_table(config) or hasattr(config, "workerinput"):
        return
    tally = config.stash[_TALLY]
    for report in _reports:
        values: list[tuple[str, Any]] = report.user_properties
        cases = sum(value for name, value in values if name == CASES) or 1
        for kind, control in (value for name, value in values if name == MARK):
            tally.add(kind=kind, control=control, cases=cases, passed=report.passed)
    if tally.faults() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table, and what is missing in it."""
    if not _wants_table(config):
        return
    tally = config.stash[_TALLY]
    terminalreporter.section("isolation")
    for line in tally.lines():
        terminalreporter.line(line)
    for fault in tally.faults():
        terminalreporter.line(f"NOT HELD  {fault}", red=True)


def _wants_table(config: pytest.Config) -> bool:
    return bool(config.option.isolation or config.option.isolation_table)


def _named(item: pytest.Item, mark: pytest.Mark) -> tuple[str, bool]:
    kind = mark.args[0] if mark.args else None
    if kind not in KINDS:
        raise pytest.UsageError(
            f"{item.nodeid}: no such kind of isolation test: {kind!r} (tests/isolation/kinds.py)"
        )
    return str(kind), bool(mark.kwargs.get("control", False))
