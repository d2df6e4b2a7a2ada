"""The schedule: the same for the same seed, every cell in turn, and never two sales of a stroke in one site."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devstack.faults.catalogue import FAULTS, Reach, cells
from devstack.faults.plan import SITES, parse_only, schedule
from devstack.faults.provider_faults import PROVIDER_FAULTS
from devstack.faults.steps import STEPS, step_named
from devstack.faults.strikes import STRIKES


def test_a_seed_gives_the_same_schedule_again_and_another_seed_another_one() -> None:
    assert schedule(seed=3, runs=300) == schedule(seed=3, runs=300)
    assert schedule(seed=3, runs=300) != schedule(seed=4, runs=300)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), runs=st.integers(1, 1500))
def test_enough_runs_and_every_cell_as_often_as_the_next(seed: int, runs: int) -> None:
    cases = [case for stroke in schedule(seed=seed, runs=runs) for case in stroke.cases]

    counts = Counter((case.fault.name, case.step) for case in cases)
    assert len(cases) >= runs
    assert max(counts.values()) - min(counts.get((f.name, s), 0) for f, s in cells()) <= 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_each_sale_of_a_stroke_has_a_site_of_its_own_with_the_custody_of_its_step(seed: int) -> None:
    for stroke in schedule(seed=seed, runs=600):
        sites = [(case.custody, case.site) for case in stroke.cases]
        assert len(set(sites)) == len(sites)
        for case in stroke.cases:
            assert case.site < SITES[case.custody]
            needed = case.fault.custody or step_named(case.step).custody
            assert needed in (None, case.custody)


def test_a_fault_of_the_whole_stack_has_its_stroke_to_itself() -> None:
    for stroke in schedule(seed=1, runs=600):
        wide = {case.fault.name for case in stroke.cases if case.fault.reach is Reach.STACK}
        assert len(wide) + any(case.fault.reach is Reach.ONE for case in stroke.cases) == 1


def test_only_names_faults_steps_or_pairs() -> None:
    assert parse_only("kill-child:settled, redis-flush,:unlocking") == [
        ("kill-child", "settled"),
        ("redis-flush", ""),
        ("", "unlocking"),
    ]
    found = {
        (fault.name, step) for fault, step in cells(parse_only("kill-child:settled,redis-flush:settling"))
    }
    assert found == {("kill-child", "settled"), ("redis-flush", "settling")}


@pytest.mark.parametrize("only", ["no-such-fault", "redis-flush:no-such-step", "chain-reorg:stripe-create"])
def test_what_does_not_exist_is_refused(only: str) -> None:
    with pytest.raises(ValueError, match=r"there is no|never strikes"):
        schedule(seed=1, runs=1, only=parse_only(only))


def test_every_fault_of_the_catalogue_can_be_made() -> None:
    assert {fault.name for fault in FAULTS} == {*STRIKES, *PROVIDER_FAULTS}
    assert all(fault.steps for fault in FAULTS)


def test_every_step_is_struck_by_every_family_that_may_strike_anywhere() -> None:
    anywhere = {fault.family for fault in FAULTS if fault.steps == tuple(step.name for step in STEPS)}
    assert anywhere == {"process", "redis", "postgres", "twins"}
