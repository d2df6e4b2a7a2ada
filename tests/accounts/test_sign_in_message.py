"""EIP-4361 messages: what the grammar allows is read back as it was, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.accounts.addresses import checksum_address
from apps.accounts.sign_in_message import (
    MESSAGE_MOST_CHARACTERS,
    InvalidMessage,
    SignInMessage,
    moment,
    parse_message,
)

# Published in spruceid/siwe, test/parsing_positive.json ("couple of optional fields").
PUBLISHED = (
    "service.org wants you to sign in with your Ethereum account:\n"
    "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n\n"
    "I accept the ServiceOrg Terms of Service: https://service.org/tos\n\n"
    "URI: https://service.org/login\nVersion: 1\nChain ID: 1\nNonce: 32891757\n"
    "Issued At: 2021-09-30T16:25:24.000Z\n"
    "Resources:\n- ipfs://Qme7ss3ARVgxv6rXqVPiikMJ8u2NLgmgszg13pYrDKEoiu\n- https://example.com/my-web2-claim.json"
)
WHOLE = replace(
    parse_message(PUBLISHED),
    expiration_time="2021-09-30T17:25:24Z",
    not_before="2021-09-30T16:00:00+02:00",
    request_id="some_id",
)
LINES = str(WHOLE).split("\n")


def test_a_published_message_is_read() -> None:
    read = parse_message(PUBLISHED)

    assert (read.domain, read.chain_id, read.nonce) == ("service.org", 1, "32891757")
    assert read.statement == "I accept the ServiceOrg Terms of Service: https://service.org/tos"
    assert read.resources == (
        "ipfs://Qme7ss3ARVgxv6rXqVPiikMJ8u2NLgmgszg13pYrDKEoiu",
        "https://example.com/my-web2-claim.json",
    )
    assert str(read) == PUBLISHED


@pytest.mark.parametrize(
    "domain",
    [
        "127.0.0.1",
        "test@127.0.0.1",
        "127.0.0.1:8080",
        "test@127.0.0.1:8080",  # these four: parsing_positive.json
        "[2001:db8::1]:8443",
        "xn--bcher-kva.example",
    ],
)
def test_an_authority_is_a_domain(domain: str) -> None:
    assert parse_message(str(replace(WHOLE, domain=domain))).domain == domain


def test_without_a_statement_two_empty_lines_stay() -> None:
    read = parse_message(PUBLISHED.replace(f"{WHOLE.statement}\n", ""))
    assert read.statement is None


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("domain", ""),
        ("domain", "service.org/path"),
        ("domain", "ser vice.org"),
        ("domain", "[::zz]"),
        ("domain", "service.org\x00"),
        ("address", "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2"),
        ("address", "0x" + "0" * 40),
        ("address", ""),
        ("statement", 'say "yes"'),
        ("statement", "50% of it"),
        ("statement", "naïve"),
        ("statement", "two\nlines"),
        ("uri", "_not_a_rfc3986_valid_uri_"),
        ("uri", ""),
        ("uri", "https://a b"),
        ("uri", "https://a/%zz"),
        ("nonce", "1234567"),
        ("nonce", "1234567-"),
        ("nonce", "１２３４５６７８"),
        ("issued_at", "Wed Oct 05 2011 16:48:00 GMT+0200 (CEST)"),
        ("issued_at", "2021-09-30"),
        ("issued_at", "2021-02-30T00:00:00Z"),
        ("issued_at", "2021-09-30T16:25:24"),
        ("issued_at", "2021-09-30 16:25:24Z"),
        ("expiration_time", "2021-09-30T25:00:00Z"),
        ("not_before", "tomorrow"),
        ("request_id", "a b"),
        ("resources", ("no uri",)),
        ("chain_id", 2**63),
        ("chain_id", -1),
        ("chain_id", "01"),
    ],
)
def test_a_part_that_the_grammar_forbids_is_refused(field: str, wrong: object) -> None:
    with pytest.raises(InvalidMessage):
        parse_message(str(replace(WHOLE, **{field: wrong})))  # type: ignore[arg-type]


@pytest.mark.parametrize("number", range(len(LINES)))
def test_two_neighbouring_lines_in_the_wrong_order_are_refused(number: int) -> None:
    swapped = LINES[:number] + LINES[number + 1 : number + 2] + [LINES[number]] + LINES[number + 2 :]
    if swapped == LINES or LINES[number].startswith("- "):
        return  # the last line has no neighbour, and resources may stand in any order
    with pytest.raises(InvalidMessage):
        parse_message("\n".join(swapped))


@pytest.mark.parametrize("number", range(len(LINES)))
def test_a_line_twice_is_refused(number: int) -> None:
    if LINES[number].startswith("- "):
        return  # a resource may be listed twice
    with pytest.raises(InvalidMessage):
        parse_message("\n".join([*LINES[: number + 1], *LINES[number:]]))


@pytest.mark.parametrize(
    "text", ["", "\n", PUBLISHED + "\n", PUBLISHED.replace("\n", "\r\n"), " " + PUBLISHED]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidMessage):
        parse_message(text)


@pytest.mark.parametrize("label", ["URI", "Version", "Chain ID", "Nonce", "Issued At"])
def test_a_missing_mandatory_line_is_refused(label: str) -> None:
    with pytest.raises(InvalidMessage):
        parse_message("\n".join(line for line in LINES if not line.startswith(f"{label}: ")))


def test_a_message_without_an_end_costs_nothing() -> None:
    with pytest.raises(InvalidMessage):
        parse_message(PUBLISHED + "a" * MESSAGE_MOST_CHARACTERS)


def test_times_are_read_as_instants() -> None:
    assert moment("2021-09-30T18:25:24.5+02:00") == datetime(2021, 9, 30, 16, 25, 24, 500_000, tzinfo=UTC)
    assert moment("2021-09-30t16:25:24.123456789z").microsecond == 123_456


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-01:00", "2016-12-31T23:59:60Z"]
)
def test_an_instant_that_no_calendar_here_has_is_refused(time: str) -> None:
    with pytest.raises(ValueError):
        moment(time)


_UNRESERVED = "abzAZ019-._~"
_RESERVED = ":/?#[]@!$&'()*+,;="
_NAMES = st.text("abcxyz0189-.", min_size=1, max_size=20)
_URIS = st.builds("{}://{}/{}?{}#{}".format, st.sampled_from(["https", "a+b-c.d"]), *[_NAMES] * 4)
_TIMES = st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
_MESSAGES = st.builds(
    SignInMessage,
    scheme=st.none() | st.sampled_from(["https", "a+b"]),
    domain=st.one_of(_NAMES, st.builds("{}@{}:{}".format, _NAMES, _NAMES, st.integers(0, 99999))),
    address=st.binary(min_size=20, max_size=20)
    .filter(any)
    .map(lambda raw: checksum_address(f"0x{raw.hex()}")),
    statement=st.none() | st.text(_UNRESERVED + _RESERVED + " ", min_size=1, max_size=80),
    uri=_URIS,
    chain_id=st.integers(0, 2**63 - 1),
    nonce=st.text("abzAZ019", min_size=8, max_size=40),
    issued_at=_TIMES,
    expiration_time=st.none() | _TIMES,
    not_before=st.none() | _TIMES,
    request_id=st.none() | st.text(_UNRESERVED + ":@!$&'()*+,;=", max_size=20),
    resources=st.none() | st.lists(_URIS, max_size=4).map(tuple),
)


@given(_MESSAGES)
@settings(max_examples=300, deadline=None)
def test_what_is_written_is_read_back(message: SignInMessage) -> None:
    assert parse_message(str(message)) == message


@given(st.data(), _MESSAGES)
@settings(max_examples=300, deadline=None)
def test_whatever_is_accepted_is_written_again_as_it_was(data: st.DataObject, message: SignInMessage) -> None:
    """No two texts mean the same message: what was shown to be signed is what was understood."""
    text = str(message)
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 3))
    changed = text[:at] + data.draw(st.text('\n :-/a0ZURI%"é', max_size=3)) + text[at + cut :]
    try:
        read = parse_message(changed)
    except InvalidMessage:
        return
    assert str(read) == changed


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_text_ends_otherwise_than_in_a_refusal_or_a_message(text: str) -> None:
    try:
        parse_message(text)
    except InvalidMessage as refusal:
        assert refusal.code == "message_malformed" and refusal.field
