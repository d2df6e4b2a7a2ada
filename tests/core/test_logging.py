"""Log lines are single JSON objects, carry the context, and hold no secrets."""

import json
import logging
import sys
from typing import Any

import pytest

from apps.core.context import acting_as, bind_request_id
from apps.core.logging import JsonFormatter, LineFormatter, register_log_field
from apps.core.redaction import redact


def record(message: str, *args: object, **extra: Any) -> logging.LogRecord:
    return logging.getLogger("posx.test").makeRecord(
        "posx.test", logging.WARNING, __file__, 1, message, args, None, extra=extra
    )


def line(made: logging.LogRecord) -> dict[str, Any]:
    text = JsonFormatter().format(made)
    assert "\n" not in text
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def test_a_line_has_the_members_that_railway_reads() -> None:
    written = line(record("Received %s webhook", "Stripe", status=200))

    assert written["level"] == "warning"
    assert written["message"] == "Received Stripe webhook"
    assert (written["logger"], written["status"]) == ("posx.test", 200)
    assert written["timestamp"].endswith("+00:00")


def test_a_line_says_for_whom_it_was_written() -> None:
    with bind_request_id("req-12345678"), acting_as("user", "u1"):
        written = line(record("x"))

    assert (written["request_id"], written["actor_kind"]) == ("req-12345678", "user")


def test_a_room_above_adds_its_own_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.core.logging._readers", {})
    register_log_field("site", lambda: "NA")

    assert line(record("x"))["site"] == "NA"


def test_a_traceback_stays_in_one_line() -> None:
    made = record("failed")
    try:
        raise ValueError("postgresql://posx:hunter2@db/posx")
    except ValueError:
        made.exc_info = sys.exc_info()

    written = line(made)
    assert "ValueError" in written["exception"]
    assert "hunter2" not in written["exception"]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer abcdefgh.ijklmnop", "ijklmnop"),
        ("token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "eyJzdWIiOiJ4In0"),
        ("key sk_live_51Habc", "51Habc"),
        ("key rk_test_51Habc", "51Habc"),
        ("hook whsec_abcDEF123", "abcDEF123"),
        ("intent pi_3abc_secret_xyz", "xyz"),
        ("url postgresql://posx:p%40ss@host:5432/db", "p%40ss"),
        ("url postgresql://posx:p@ss@host:5432/db", "p@ss"),
        ("url redis://:hunter2@host", "hunter2"),
        ("-----BEGIN PRIVATE KEY-----\nMIIabc\n-----END PRIVATE KEY-----", "MIIabc"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc cut off", "MIIabc"),
    ],
)
def test_a_secret_told_by_its_shape_is_not_logged(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert secret not in LineFormatter().format(record("%s", text))


def test_what_is_no_secret_stays() -> None:
    text = "GET https://api.stripe.com/v1/payment_intents/pi_3abc took 12:30 for user@example.com"

    assert redact(text) == text
