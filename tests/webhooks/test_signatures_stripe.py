"""Stripe's webhook signature."""

import hashlib
import hmac
import json
from typing import Any

import pytest
import stripe
from hypothesis import given
from hypothesis import strategies as st

from apps.webhooks.signatures import BadSignature, UnreadableEvent, verify_stripe

NOW = 1_800_000_000
SECRET = "whsec_current"
EVENT = {"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "data": {"object": {}}}
RAW = json.dumps(EVENT).encode()


def v1(raw: bytes, secret: str = SECRET, stamp: int = NOW) -> str:
    return hmac.new(secret.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hexdigest()


def header(raw: bytes = RAW, secret: str = SECRET, stamp: int = NOW) -> str:
    return f"t={stamp},v1={v1(raw, secret, stamp)}"


def verify(raw: bytes = RAW, signature: str | None = None, *secrets: str, now: float = NOW) -> dict[str, Any]:
    return verify_stripe(raw, header(raw) if signature is None else signature, secrets or (SECRET,), now=now)


def refusal_of(raw: bytes, signature: str, *secrets: str, now: float = NOW) -> str:
    with pytest.raises(BadSignature) as refusal:
        verify(raw, signature, *secrets, now=now)
    return refusal.value.code


def test_a_signed_event_is_returned() -> None:
    assert verify() == EVENT


def test_the_check_agrees_with_stripes_own() -> None:
    assert stripe.WebhookSignature.verify_header(RAW.decode(), header(), SECRET, tolerance=None)


def test_any_of_several_secrets_and_signatures_is_enough() -> None:
    both = f"t={NOW},v1={v1(RAW, 'whsec_old')},v1={v1(RAW)},v0={'0' * 64}"
    assert verify(RAW, both, "whsec_other", SECRET) == EVENT


@pytest.mark.parametrize("age_s", [-300, 0, 300])
def test_times_within_the_tolerance_are_accepted(age_s: int) -> None:
    assert verify(now=NOW + age_s) == EVENT


@pytest.mark.parametrize("age_s", [-301, 301, 86_400])
def test_old_and_future_signatures_are_refused(age_s: int) -> None:
    assert refusal_of(RAW, header(), now=NOW + age_s) == "signature_too_old_or_new"


def test_the_time_is_part_of_what_is_signed() -> None:
    assert refusal_of(RAW, f"t={NOW + 1},v1={v1(RAW)}") == "signature_wrong"


def test_another_secret_or_body_is_refused() -> None:
    assert refusal_of(RAW, header(secret="whsec_wrong")) == "signature_wrong"
    assert refusal_of(RAW + b" ", header()) == "signature_wrong"


def test_an_empty_secret_never_counts() -> None:
    assert refusal_of(RAW, header(secret=""), "", "") == "signature_wrong"
    with pytest.raises(BadSignature):
        verify_stripe(RAW, header(secret=""), [], now=NOW)


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "t=1",
        f"v1={v1(RAW)}",
        f"t={NOW}",
        f"t={NOW},v0={v1(RAW)}",
        f"t=-{NOW},v1={v1(RAW)}",
        f"t={NOW}.0,v1={v1(RAW)}",
        f"t={NOW},t={NOW},v1={v1(RAW)}",
        f"t=١٨٠٠,v1={v1(RAW)}",
        f"t={'9' * 5000},v1={v1(RAW)}",
        f"t={NOW}," + "v1=0," * 2_000,
        f"t={NOW},v1=ü",
    ],
)
def test_a_header_of_another_form_is_refused(signature: str) -> None:
    assert refusal_of(RAW, signature) == "signature_malformed"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\xff\xfe", "event_not_utf8"),
        (b"", "event_not_json"),
        (b"{", "event_not_json"),
        (b"[" * 100_000, "event_not_json"),
        (b"1" * 5_000, "event_not_json"),
        (b"[]", "event_not_an_object"),
        (b'"event"', "event_not_an_object"),
        (b'{"id": "evt_1", "object": "v2.core.event", "type": "v1.x"}', "event_not_v1"),
        (b"{}", "event_not_v1"),
        (b'{"object": "event", "id": 7, "type": "x"}', "event_incomplete"),
        (b'{"object": "event", "id": "evt_1"}', "event_incomplete"),
    ],
)
def test_signed_bytes_that_are_no_event_are_unreadable(raw: bytes, code: str) -> None:
    with pytest.raises(UnreadableEvent) as refusal:
        verify(raw)
    assert refusal.value.code == code


@given(signature=st.text(max_size=200), raw=st.binary(max_size=50))
def test_noise_is_refused_and_never_crashes(signature: str, raw: bytes) -> None:
    with pytest.raises(BadSignature):
        verify(raw, signature)
