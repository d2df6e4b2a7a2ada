"""The cases of the walk, generated from the operations, and what each of them finds."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from apps.accounts.models import Role
from apps.core.ids import uuid7
from tests.isolation.doors.answers import Answer, asked
from tests.isolation.doors.operations import Operation, operations, uuid_fields
from tests.isolation.doors.twins import Twin
from tests.isolation.doors.wishes import IdOf, Wish, good_wish, id_name, in_body

ID_NAMES = (
    *("order_id", "tier_id", "wallet_id", "asset_id", "policy_id", "allocation_id", "release_id"),
    *("batch_id", "member_id", "beneficiary_id", "payout_id", "resolution_id", "change_id"),
    *("subscription_id", "delivery_id", "revocation_id", "milestone_id", "receivable_id", "settlement_id"),
)
UNDECLARED = (*ID_NAMES, "id", "pk", "site", "site_id", "buyer_id", "q", "search", "ordering")
NOWHERE = "01900000-0000-7000-8000-000000000000"
# As if the row did not exist: 404 or 403; in a body also a refusal of the field. 409 names a state
# (`wallet_not_usable`, `release_not_payable`), the same for both.
PATH_STATUS = frozenset({403, 404})
BODY_STATUS = frozenset({400, 403, 404, 409, 422})
QUERY_STATUS = frozenset({200, 400, 403, 404})


@dataclass(frozen=True)
class Case:
    """One place of one operation into which ids of the other site are put, by a caller with one role."""

    operation: Operation
    place: str  # path, body, beside own, undeclared body, query, undeclared query
    way: tuple[str, ...] = ()
    role: str = Role.APPROVER.value
    method: str | None = None

    def __str__(self) -> str:
        where = ".".join(self.way)
        return " ".join(
            filter(None, [self.operation.name, self.method, self.place, where, f"as {self.role}"])
        )

    @property
    def expected(self) -> frozenset[int]:
        """The statuses that say no more than "there is none"."""
        if self.place == "path":
            return PATH_STATUS
        if self.operation.method == "GET":
            return QUERY_STATUS
        return BODY_STATUS if self.place in ("body", "beside own") else BODY_STATUS | {200, 201}

    def wish(self, here: Twin, there: Twin, id_of: IdOf) -> Wish:
        """The request of ``here``'s caller with ids from ``id_of`` in this place."""
        match self.place:
            case "path":
                # With the other batch's own plan hash and the like, so that nothing but the row is missing.
                wish = good_wish(self.operation, here, samples=there)
                return Wish(**{**vars(wish), "path": {n: id_of(n) for n in self.operation.path}})
            case "body" | "beside own":
                wish = good_wish(self.operation, here)
                beside = self.place == "beside own"
                return in_body(wish, self.way, id_of(id_name(self.way)), beside_own=beside)
            case "undeclared body":
                wish = good_wish(self.operation, here)
                extra = {name: id_of(name) for name in UNDECLARED if name not in (wish.body or {})}
                # A path that leads nowhere: a view that took the body's id instead would find a row.
                path = dict.fromkeys(wish.path, NOWHERE)
                return Wish(**{**vars(wish), "path": path, "body": {**(wish.body or {}), **extra}})
            case "query":
                return good_wish(self.operation, here).with_query(**{self.way[0]: id_of(self.way[0])})
            case _:
                extra = {name: id_of(name) for name in UNDECLARED if name not in self.operation.query}
                return good_wish(self.operation, here).with_query(**extra)


def cases() -> list[Case]:
    """Every place for an id in every operation. Webhooks take none: their bodies are signed as a whole."""
    return [case for each in operations() if not each.is_webhook for case in _cases_of(each)]


def _cases_of(operation: Operation) -> Iterator[Case]:
    for role in Role.values:
        if operation.path:
            yield Case(operation, "path", role=role)
        for way in uuid_fields(operation.body or {}):
            yield Case(operation, "body", way, role=role)
            if "*" in way:
                yield Case(operation, "beside own", way, role=role)
    if operation.path:
        undescribed = {"HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"}
        yield from (Case(operation, "path", method=method) for method in sorted(undescribed))
    for name, schema in operation.query.items():
        if schema.get("format") == "uuid":
            yield Case(operation, "query", (name,))
    if operation.method == "GET":
        yield Case(operation, "undeclared query")
    else:
        yield Case(operation, "undeclared body")


def findings(case: Case, here: Twin, there: Twin, marks: Collection[str]) -> list[str]:
    """What a caller of ``here`` learns about ``there`` in this case; empty when the door holds."""
    unknown_ids: dict[str, str] = {}

    def foreign(name: str) -> str:
        return str(there.ids.get(name, there.site.id))

    def unknown(name: str) -> str:
        return unknown_ids.setdefault(name, str(uuid7()))

    client = here.client(case.role)
    wishes = [case.wish(here, there, foreign), case.wish(here, there, unknown)]
    answers = [asked(client, wish, case.method) for wish in wishes]
    found = answers[0].differences(answers[1])
    found += [f"shows {mark!r}" for mark in answers[0].leaks(marks, wishes[0].text())]
    if case.method is None and answers[0].status not in case.expected:
        found.append(f"answered {answers[0].status}: {answers[0].raw[:300]}")
    if answers[0].status >= 500:
        found.append(f"failed with {answers[0].status}")
    return found


def shown(operation: Operation, here: Twin, marks: Collection[str], **query: str) -> tuple[Answer, list[str]]:
    """The answer to the caller's own good request with that query, and what it shows of the other site."""
    wish = good_wish(operation, here).with_query(**query)
    answer = asked(here.client(), wish)
    return answer, [f"shows {mark!r}" for mark in answer.leaks(marks, wish.text())]


def moved_cursor(cursor: str) -> str:
    """The cursor of a row that does not exist, directly beside the given one."""
    values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    values[-1] = values[-1][:-1] + ("0" if values[-1][-1] != "0" else "1")
    document = json.dumps(values, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(document).rstrip(b"=").decode()


def next_cursor(operation: Operation, twin: Twin) -> str:
    """The cursor that the twin's own caller gets behind the first row of a list."""
    page: Any = good_wish(operation, twin).with_query(limit="1").send(twin.client()).json()
    if not page.get("next"):
        raise AssertionError(f"make_twin makes too few rows for {operation.name}: {page}")
    return str(page["next"])
