"""Asking a page of the admin with an id of another site and with one of nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import urlencode

from django.db import connection, models, reset_queries
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Identity
from apps.core.ids import uuid7
from tests.factories import in_site
from tests.isolation.doors.admin_pages import AdminCase
from tests.isolation.doors.answers import Answer, answer_of
from tests.isolation.doors.twins import Twin

# Names of the API for models: these rows are in the state that actions ask for.
_NAMES = {
    "asset": "asset_id",
    "membership": "member_id",
    "milestone": "milestone_id",
    "order": "order_id",
    "payout": "payout_id",
    "payoutbatch": "batch_id",
    "payoutresolution": "resolution_id",
    "receivable": "receivable_id",
    "receivablesettlement": "settlement_id",
    "release": "release_id",
    "revocation": "revocation_id",
    "tier": "tier_id",
    "vestingpolicy": "policy_id",
    "wallet": "wallet_id",
    # One that has ended: approving another at the first of two equal requests would change the second.
    "walletchange": "ended_change_id",
}


def admin_findings(
    case: AdminCase, client: Any, here: Twin, there: Twin, marks: Collection[str]
) -> list[str]:
    """What staff of ``here`` in this browser learn about ``there``; empty when the door holds."""
    own_id = _row_id(case.page.model or case.takes, here)
    asked_for = case.sent(lambda model: _row_id(model, there), own_id)
    foreign = admin_asked(client, case.method, *asked_for)
    unknown = admin_asked(client, case.method, *case.sent(lambda _model: str(uuid7()), own_id))
    found = foreign.differences(unknown)
    found += [f"shows {mark!r}" for mark in foreign.leaks(marks, str(asked_for))]
    return found + ([f"failed with {foreign.status}"] if foreign.status >= 500 else [])


def admin_asked(client: Any, method: str, address: str, fields: dict[str, str]) -> Answer:
    """The answer, or the page that it leads to."""
    client.cookies.pop("messages", None)  # what one answer left must not be shown with the next
    reset_queries()  # the log of a long run is cut off in the middle of a capture otherwise
    with CaptureQueriesContext(connection) as queries:
        response = client.generic(
            method, address, urlencode(fields), content_type="application/x-www-form-urlencoded"
        )
        if response.status_code == 302:
            response = client.get(response["Location"])
    return answer_of(response, queries, f"{address} {fields}")


def _row_id(model: type[models.Model], twin: Twin) -> str:
    """The row that the API's walk uses, else the newest one; of what belongs to no site, its person or itself."""
    named = twin.ids.get(_NAMES.get(str(model._meta.model_name), ""))
    if named is not None:
        return str(named)
    if model is Identity:
        return str(twin.caller.identity_id)
    if model is type(twin.site):
        return str(twin.site.id)
    if not hasattr(model, "site_id"):
        return str(twin.site.id)
    with in_site(twin.site):
        return str(model._default_manager.order_by("-pk").values_list("pk", flat=True)[0])
