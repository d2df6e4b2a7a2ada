"""Lists as Stripe pages them: newest first, limit, starting_after, ending_before, created ranges, search."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable
from itertools import islice

from devstack.sandbox_parts.store import Document, Store
from devstack.stripe_sandbox.errors import StripeError, no_such
from devstack.stripe_sandbox.forms import Params, integer, required, text

Fits = Callable[[Document], bool]

_RANGES = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}
_CLAUSE = re.compile(
    r"(?:(status|currency|customer)|metadata\[(['\"])([^'\"]+)\2\])\s*:\s*(['\"])([^'\"]*)\4"
)


def page_limit(params: Params) -> int:
    """`limit` from 1 to 100, 10 when absent."""
    limit = integer(params, "limit")
    if limit is not None and not 1 <= limit <= 100:
        raise StripeError(400, "limit must be between 1 and 100", param="limit")
    return limit or 10


def created_within(item: Document, params: Params) -> bool:
    """Whether the object fits `created` or created[gt|gte|lt|lte], in seconds."""
    given = params.get("created")
    if given in (None, ""):
        return True
    if not isinstance(given, dict):
        return bool(item["created"] == integer(params, "created"))
    if not given.keys() <= _RANGES.keys():
        raise StripeError(400, "Invalid created range", param="created")
    return all(_RANGES[name](item["created"], integer(given, name) or 0) for name in given)


def list_page(store: Store, kind: str, params: Params, *, url: str, fits: Fits) -> Document:
    """One page of the objects that fit."""
    limit = page_limit(params)
    after, before = text(params, "starting_after"), text(params, "ending_before")
    for name, object_id in (("starting_after", after), ("ending_before", before)):
        if object_id and store.get(kind, object_id) is None:
            raise no_such(kind, object_id, param=name, status=400)
    items: Iterable[Document] = store.newest(kind)
    if after:
        items = _older_than(items, after)
    if before:
        newer = [item for item in _until(items, before) if fits(item)]
        return {"object": "list", "data": newer[-limit:], "has_more": len(newer) > limit, "url": url}
    found = list(islice(filter(fits, items), limit + 1))
    return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": url}


def _older_than(items: Iterable[Document], object_id: str) -> Iterable[Document]:
    iterator = iter(items)
    for item in iterator:
        if item["id"] == object_id:
            break
    return iterator


def _until(items: Iterable[Document], object_id: str) -> Iterable[Document]:
    for item in items:
        if item["id"] == object_id:
            return
        yield item


def search_page(store: Store, kind: str, params: Params, *, url: str) -> Document:
    """Search by status, currency, customer and metadata['key'], joined by AND; `page` is the last id."""
    clauses = _clauses(required(params, "query"))
    limit = page_limit(params)
    items: Iterable[Document] = store.newest(kind)
    last = text(params, "page")
    if last:
        items = _older_than(items, last)
    found = list(islice((item for item in items if _matches(item, clauses)), limit + 1))
    more = len(found) > limit
    return {
        "object": "search_result",
        "data": found[:limit],
        "has_more": more,
        "next_page": found[limit - 1]["id"] if more else None,
        "url": url,
    }


def _clauses(query: str) -> list[tuple[str, str, str]]:
    clauses = []
    for part in re.split(r"\s+AND\s+", query.strip(), flags=re.IGNORECASE):
        found = _CLAUSE.fullmatch(part)
        if not found:
            raise StripeError(400, "We were unable to parse your search query.", param="query")
        clauses.append((found[1] or "", found[3] or "", found[5]))
    return clauses


def _matches(item: Document, clauses: list[tuple[str, str, str]]) -> bool:
    return all(
        (item.get(name) if name else item["metadata"].get(key)) == value for name, key, value in clauses
    )
