"""Keyset paging: `(created_at, id) < (...)` on a unique order, so that every page costs the same."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import F, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan
from django.utils.timezone import is_aware
from django.utils.translation import gettext as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.problems import FieldError, Problem, invalid

LIMIT_DEFAULT = 50
LIMIT_MAX = 100


class KeysetPagination(BasePagination):
    """`?limit=` 1 to 100 and `?cursor=`; answers {"results": [...], "next": cursor or null}.

    The view's `keyset` names the order: columns that are unique together and all run one way, like
    ("-created_at", "-id"), with an index on them. Works with models and with values() alike.
    """

    keyset: Sequence[str] = ("-created_at", "-id")
    next_cursor: str | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """One page of rows. Raises Problem `invalid_cursor` or `invalid` (limit)."""
        order = tuple(getattr(view, "keyset", self.keyset))
        limit = _limit(request.query_params.get("limit"))
        cursor = request.query_params.get("cursor")
        rows = list(after(queryset, order=order, cursor=cursor)[: limit + 1])
        self.next_cursor = encode_cursor(rows[limit - 1], order) if len(rows) > limit else None
        return rows[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        """The envelope."""
        return Response({"results": data, "next": self.next_cursor})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """OpenAPI of the envelope (drf-spectacular asks)."""
        cursor = {"type": ["string", "null"], "description": "Cursor of the next page; null on the last."}
        properties = {"results": schema, "next": cursor}
        return {"type": "object", "required": ["results", "next"], "properties": properties}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """OpenAPI of the two parameters."""
        limit = {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT}
        return [
            _parameter("limit", limit, "Rows in a page."),
            _parameter("cursor", {"type": "string"}, "`next` of the page before."),
        ]


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def after(queryset: QuerySet[Any], *, order: Sequence[str], cursor: str | None) -> QuerySet[Any]:
    """`queryset` in `order`, from behind the row that `cursor` names (None or empty: from the start)."""
    names = [name.lstrip("-") for name in order]
    descending = order[0].startswith("-")
    if any(name.startswith("-") is not descending for name in order):
        raise ValueError(f"a keyset runs one way, not {order}")
    queryset = queryset.order_by(*order)
    if not cursor:
        return queryset
    lookup = TupleLessThan if descending else TupleGreaterThan
    values = tuple(decode_cursor(cursor, queryset.model, order))
    return queryset.filter(lookup(Tuple(*[F(name) for name in names]), values))


def encode_cursor(row: Any, order: Sequence[str]) -> str:
    """An opaque name for `row`'s place: base64url of its order and values."""
    values = [_text(_value(row, name.lstrip("-"))) for name in order]
    document = json.dumps([",".join(order), *values], separators=(",", ":"))
    return base64.urlsafe_b64encode(document.encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str, model: type[Model], order: Sequence[str]) -> list[Any]:
    """The values that `encode_cursor` wrote, typed by the model's fields; else Problem `invalid_cursor`."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        head, *texts = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if head != ",".join(order) or len(texts) != len(order):
            raise ValueError("a cursor of another list")
        return [_typed(model, name.lstrip("-"), text) for name, text in zip(order, texts, strict=True)]
    except (ValueError, TypeError, RecursionError, binascii.Error, ValidationError) as exc:
        raise Problem("invalid_cursor", 400, _("The cursor is not one that this list gave.")) from exc


def _value(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, Mapping) else getattr(row, name)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _typed(model: type[Model], name: str, text: Any) -> Any:
    if not isinstance(text, str) or "\x00" in text:
        raise ValueError("not a text of ours")
    value = model._meta.get_field(name).to_python(text)  # type: ignore[union-attr]  # columns only, no relations
    if value is None or (isinstance(value, datetime) and not is_aware(value)):
        raise ValueError("not a value of that column")
    return value


def _limit(given: str | None) -> int:
    if not given:
        return LIMIT_DEFAULT
    if given.isascii() and given.isdecimal() and 1 <= len(given) <= 3 and 1 <= int(given) <= LIMIT_MAX:
        return int(given)
    detail = _("A number from 1 to %(max)d.") % {"max": LIMIT_MAX}
    raise invalid([FieldError(field="limit", code="invalid", detail=detail)])
