"""Encoding of amounts and calls, fees, and what is no answer: without a chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.amounts import UINT256_MAX, format_base_units, parse_tokens
from apps.payouts.custody.evm.erc20 import (
    TRANSFER_TOPIC,
    balance_call,
    moved_by,
    transfer_call,
    uint256_word,
    word_uint256,
)
from apps.payouts.custody.evm.fees import Fees, bumped_fees, first_fees

AMOUNTS = st.integers(min_value=0, max_value=UINT256_MAX)
WEI = st.integers(min_value=0, max_value=10**15)
ADDRESS = "0x" + "ab" * 20
CONTRACT = "0x" + "cd" * 20


@given(AMOUNTS)
def test_every_amount_comes_back_from_its_word(amount: int) -> None:
    word = uint256_word(amount)
    assert (len(word), word_uint256(f"0x{word}")) == (64, amount)


@given(amount=AMOUNTS, decimals=st.integers(min_value=0, max_value=36))
def test_what_a_person_reads_is_what_the_contract_is_told(amount: int, decimals: int) -> None:
    shown = format_base_units(amount, decimals)
    assert word_uint256(f"0x{uint256_word(parse_tokens(shown, decimals))}") == amount


@pytest.mark.parametrize("amount", [-1, UINT256_MAX + 1, 1.0, True, "1"])
def test_what_is_no_uint256_is_refused(amount: Any) -> None:
    with pytest.raises(ValueError, match="256 bits"):
        uint256_word(amount)


@pytest.mark.parametrize("word", [None, "0x", "0x1", "1" * 66, f"0x{'g' * 64}", f"0x{'1' * 65}", 5])
def test_what_is_no_word_is_refused(word: Any) -> None:
    with pytest.raises(ValueError, match="not one word"):
        word_uint256(word)


def test_calls_are_laid_out_as_the_abi_says() -> None:
    assert transfer_call(ADDRESS, 5) == f"0xa9059cbb{'0' * 24}{'ab' * 20}{'0' * 63}5"
    assert balance_call(ADDRESS) == f"0x70a08231{'0' * 24}{'ab' * 20}"


@pytest.mark.parametrize("address", ["", "0x", "ab" * 21, "0x" + "ab" * 21, "0x" + "_1" * 20])
def test_a_call_to_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        transfer_call(address, 5)


def log(**changed: Any) -> dict[str, Any]:
    topics = [TRANSFER_TOPIC, f"0x{'0' * 24}{'11' * 20}", f"0x{'0' * 24}{'22' * 20}"]
    return {"address": CONTRACT.upper().replace("X", "x"), "topics": topics, "data": f"0x{5:064x}", **changed}


def test_a_transfer_event_is_read() -> None:
    [moved] = moved_by({"logs": [log()]}, CONTRACT)
    assert (moved.from_address, moved.to_address, moved.amount_base_units) == (
        "0x" + "11" * 20,
        "0x" + "22" * 20,
        5,
    )


@pytest.mark.parametrize(
    "other",
    [
        log(address=ADDRESS),
        log(topics=[TRANSFER_TOPIC]),
        log(topics=[*log()["topics"], f"0x{1:064x}"]),
        log(topics=["0x00", *log()["topics"][1:]]),
        log(data="0x"),
        None,
        "text",
    ],
)
def test_other_events_say_nothing_about_ours(other: Any) -> None:
    assert moved_by({"logs": [other]}, CONTRACT) == []
    assert moved_by({"logs": other}, CONTRACT) == []


@given(base_fee=WEI, tip=WEI, limit=WEI)
def test_first_fees_pay_the_next_block_and_never_more_than_the_limit(
    base_fee: int, tip: int, limit: int
) -> None:
    fees = first_fees(base_fee_wei=base_fee, tip_wei=tip, limit_wei=limit)
    if fees is None:
        assert base_fee + tip > limit
    else:
        assert base_fee + tip <= fees.max_fee_wei <= limit
        assert fees.max_priority_fee_wei <= fees.max_fee_wei


@given(max_fee=WEI, tip=WEI, base_fee=WEI, tip_now=WEI, limit=WEI)
def test_a_bump_is_one_that_nodes_take(
    max_fee: int, tip: int, base_fee: int, tip_now: int, limit: int
) -> None:
    old = Fees(max(max_fee, tip), tip)
    new = bumped_fees(old, base_fee_wei=base_fee, tip_wei=tip_now, limit_wei=limit)
    if new is not None:
        # geth, Nethermind and Besu ask for a tenth more of both.
        assert 10 * new.max_fee_wei >= 11 * old.max_fee_wei and new.max_fee_wei <= limit
        assert 10 * new.max_priority_fee_wei >= 11 * old.max_priority_fee_wei
        assert new.max_priority_fee_wei <= new.max_fee_wei


def test_the_token_of_the_local_chain_speaks_the_same_selectors() -> None:
    """The bytecode holds each function's selector, so that a wrong one here would be found without a compiler."""
    place = Path(__file__).parents[3] / "backend/devstack/chain"
    code = (place / "token.bin").read_text()
    assert [
        word for word in ("a9059cbb", "70a08231", "313ce567", TRANSFER_TOPIC[2:]) if word not in code
    ] == []


def test_the_node_is_pinned_by_hash() -> None:
    place = Path(__file__).parents[3] / "backend/devstack/chain"
    packages = json.loads((place / "package-lock.json").read_text())["packages"]
    assert all(one["integrity"].startswith("sha512-") for name, one in packages.items() if name)
