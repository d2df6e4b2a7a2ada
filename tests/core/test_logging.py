"""Log lines are single JSON objects, carry the context, and hold no secrets."""

import json
import logging
import sys
import timeit
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import RequestFactory

from apps.core import redaction
from apps.core.context import acting_as, bind_request_id
from apps.core.logging import JsonFormatter, LineFormatter, register_log_field
from apps.core.redaction import hide_values, redact
from config.env import read_environment
from config.logins import derive_login_password
from config.secret_texts import secret_texts
from tests.config.test_env import COMPLETE

SHOWN = {
    "a key without a shape": "correct-horse-battery-staple",
    "one of several": "old-webhook-secret-of-march",
    "a password in an address, decoded": "p@ss word of redis",
    "a password in an address, encoded": "p%40ss%20word%20of%20redis",
    "a wallet's key": "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "a wallet's key in capitals": "59C6995E998F97A5A0044966F0945389DC9E86DAE88C7A8412F4603B6B78690D",
    "a node's key": "abcdefghijklmnop0123",
    "the app login's password": derive_login_password("of-the-superuser", "posx_app"),
}


@pytest.fixture(autouse=True)
def _values_are_left_as_they_were() -> Iterator[None]:
    before = redaction._values
    yield
    redaction._values = before


@pytest.fixture
def planted() -> dict[str, str]:
    key = SHOWN["a wallet's key"]
    return {
        "METRICS_TOKEN": SHOWN["a key without a shape"],
        "STRIPE_WEBHOOK_SECRETS": f"whsec_new,{SHOWN['one of several']}",
        "REDIS_URL": f"redis://default:{SHOWN['a password in an address, encoded']}@redis:6379",
        "EVM_KEYS": f"NA:0x{key}",
        "EVM_RPC_URLS": "1=https://node.example/v2/" + SHOWN["a node's key"],
        "DATABASE_URL": "postgresql://postgres:of-the-superuser@db:5432/railway",
    }


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
        ("retry with password=hunter2!, please", "hunter2!"),
        ('{"private_key": "0x59c6995e998f97a5a0044966f0945389"}', "59c6995e998f97a5"),
        ("GET /node?api_key=abcdef0123", "abcdef0123"),
        ("sent to jane.doe+tokens@mail.example.com", "jane.doe"),
        ("<jane@example.com>: no such user", "jane@"),
    ],
)
def test_a_secret_told_by_its_shape_is_not_logged(text: str, secret: str) -> None:
    assert secret not in redact(text)
    assert secret not in LineFormatter().format(record("%s", text))


def test_what_is_no_secret_stays() -> None:
    text = (
        "GET https://api.stripe.com/v1/payment_intents/pi_3abc took 12:30, celery@web-1.railway.internal, "
        "redis://default@redis.railway.internal:6379, password authentication failed, the secret is missing, "
        "paid by 0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
    )

    assert redact(text) == text


def test_the_values_of_secret_variables_are_hidden_whatever_their_shape(planted: dict[str, str]) -> None:
    hide_values(secret_texts(read_environment(COMPLETE | planted, "railway")))

    for name, text in SHOWN.items():
        assert text not in redact(f"{name} said {text} to all"), name


def test_only_the_values_make_the_difference() -> None:
    hide_values([])

    assert [name for name, text in SHOWN.items() if text in redact(f"said {text} to all")] == list(SHOWN)


def test_what_the_table_gives_for_development_hides_no_words() -> None:
    assert (
        secret_texts(read_environment({}, "local"))
        - {
            derive_login_password("development", login)
            for login in ("posx_app", "posx_migrator", "posx_auditor")
        }
        == set()
    )


def test_numbers_of_any_kind_stay_and_odd_ones_are_still_json() -> None:
    written = line(record("x", duration_s=0.25, count=3, is_paced=True, share=float("nan")))

    assert (written["duration_s"], written["count"], written["is_paced"]) == (0.25, 3, True)
    assert written["share"] == "nan"


def test_a_mapping_of_plain_values_stays_and_a_request_does_not() -> None:
    written = line(record("x", outcomes={"paid": 3}, request=RequestFactory().get("/"), data={"deep": {}}))

    assert written["outcomes"] == {"paid": 3}
    assert not {"request", "data"} & set(written)


def test_a_member_that_is_named_as_a_secret_is_hidden() -> None:
    written = line(record("x", api_key="abc", headers={"Authorization": "Custom abc", "n": 1}))

    assert written["api_key"] == "[redacted]"
    assert written["headers"] == {"Authorization": "[redacted]", "n": 1}


def test_celerys_line_of_a_task_says_which_and_how_long() -> None:
    data = {"id": "t-1", "name": "apps.orders.tasks.process_order", "runtime": 0.1234, "args": "('a',)"}
    written = line(record("succeeded", data=data))

    assert (written["task_id"], written["task"]) == ("t-1", data["name"])
    assert written["duration_ms"] == 123
    assert "args" not in written


def test_it_costs_little() -> None:
    hide_values(secret_texts(read_environment(COMPLETE, "railway")))
    text = "GET /api/v1/orders/0191d6f0-0000-7000-8000-000000000000/ 200 in 12 ms"

    assert min(timeit.repeat(lambda: redact(text), number=200, repeat=5)) / 200 < 200e-6
