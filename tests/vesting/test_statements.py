"""Statements: from history, so that one instant has one answer, byte for byte; checked offline by their hash."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.payouts.outcomes import OutcomeKind
from apps.vesting.statement_document import is_genuine, json_bytes
from tests.clients import api_of
from tests.databases import rules_off
from tests.factories import make_member
from tests.vesting.test_freezing import Pausing
from tests.vesting.test_revocation import TOTAL

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
STATEMENT = "/api/v1/vesting/statement/"


class Told(Pausing):
    """An allocation whose history lies far enough back to be told of."""

    def __init__(self, admin_connection: Any, **fields: Any) -> None:
        super().__init__(**fields)
        self._connection = admin_connection

    def later(self, minutes: int = 10) -> datetime:
        """Everything so far happened so long ago; the instant just after it."""
        with rules_off(self._connection) as cursor:
            ago = [timedelta(minutes=minutes)]
            cursor.execute("UPDATE audit_auditevent SET at = at - %s", ago)
            cursor.execute("UPDATE vesting_allocation SET created_at = created_at - %s", ago)
        return timezone.now() - timedelta(minutes=minutes)

    def told(self, as_of: datetime | None = None, by: Any = None, **query: Any) -> bytes:
        asked = {"as_of": as_of.isoformat(), **query} if as_of else query
        answer = api_of(by or self.owner).get(STATEMENT, asked)
        assert answer.status_code == 200, answer.content
        return bytes(answer.content)

    def sums_at(self, as_of: datetime) -> dict[str, int]:
        [asset] = json.loads(self.told(as_of))["assets"]
        return {name: int(amount) for name, amount in asset["base_units"].items() if amount != "0"}


def test_an_instant_is_told_the_same_whatever_happens_after_it(admin_connection: Any) -> None:
    scene = Told(admin_connection)
    first = scene.later()
    before = scene.told(first)
    scene.ask()
    scene.pause()
    scene.revoke(500)
    assert scene.told(first) == before
    assert scene.sums_at(first) == {
        "granted": TOTAL,
        "vested": scene.vested,
        "unlocked": scene.vested,
        "locked": scene.unvested,
    }


def test_it_tells_what_was_revoked_paused_and_paid_with_its_hash(admin_connection: Any) -> None:
    scene = Told(admin_connection)
    sent = scene.submitted(scene.request(count=2))
    paid = sent[0].amount_base_units
    on_its_way = scene.later()
    scene.end(sent, OutcomeKind.PAID)
    scene.ask()
    scene.pause()
    after = scene.later(5)
    on_its_way -= timedelta(minutes=5)
    assert scene.sums_at(on_its_way)["in_flight"] == paid
    assert scene.sums_at(after) == {
        "granted": TOTAL,
        "vested": scene.vested,
        "frozen": scene.vested - paid,
        "released": paid,
        "revoked": scene.unvested,
    }
    [allocation] = json.loads(scene.told(after))["allocations"]
    assert {r["tx_hash"] for r in allocation["releases"] if r["state"] == "released"} == {"0xabc"}


def test_each_token_is_in_one_state_also_after_releases_were_split(admin_connection: Any) -> None:
    scene = Told(admin_connection)
    scene.revoke(501)
    sums = scene.sums_at(scene.later())
    assert sum(amount for name, amount in sums.items() if name not in ("granted", "vested")) == TOTAL


def test_what_is_not_settled_is_not_told() -> None:
    scene = Pausing()
    for seconds, status in ((30, 400), (90, 200)):
        as_of = (timezone.now() - timedelta(seconds=seconds)).isoformat()
        assert api_of(scene.owner).get(STATEMENT, {"as_of": as_of}).status_code == status
    assert api_of(scene.owner).get(STATEMENT).json()["allocations"] == []


def test_csv_has_the_same_releases(admin_connection: Any) -> None:
    scene = Told(admin_connection)
    at = scene.later()
    lines = scene.told(at, shape="csv").decode().splitlines()
    assert lines[0].startswith(f"posx-statement/1,{scene.owner.id},") and lines[-1].startswith("sha256,")
    assert sum(int(line.split(",")[4]) for line in lines[2:-1]) == TOTAL


@pytest.mark.parametrize("shape", ["json", "csv"])
def test_the_command_knows_a_changed_one(admin_connection: Any, tmp_path: Path, shape: str) -> None:
    scene, file, out = Told(admin_connection), tmp_path / "statement", StringIO()
    content = scene.told(scene.later(), shape=shape)
    file.write_bytes(content)
    call_command("verify_statement", str(file), stdout=out)
    assert "genuine" in out.getvalue()
    for forged in (content.replace(b"locked", b"unlocked", 1), content + b"\n", content[:-3], b"{}", b"x"):
        file.write_bytes(forged)
        with pytest.raises(CommandError):
            call_command("verify_statement", str(file), stdout=out)


def test_the_hash_is_of_every_byte_and_key() -> None:
    genuine = json_bytes({"format": "posx-statement/1", "a": "1"})
    assert is_genuine(genuine)
    assert not is_genuine(genuine.replace(b'"a":"1"', b'"a":"2","a":"1"'))
    assert not is_genuine(genuine.replace(b'"a":"1"', b'"a": "1"'))


def test_staff_see_a_members_and_the_member_no_one_elses(admin_connection: Any) -> None:
    scene = Told(admin_connection)
    at = scene.later()
    path = f"/api/v1/staff/vesting/statements/{scene.owner.id}/"
    assert api_of(scene.operator).get(path, {"as_of": at.isoformat()}).content == scene.told(at)
    assert api_of(scene.owner).get(path).status_code == 403
    assert json.loads(scene.told(at, by=make_member(scene.site)))["allocations"] == []
