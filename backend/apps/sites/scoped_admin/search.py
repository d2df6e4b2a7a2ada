"""Search that an index answers: under row security only leakproof operators may use one, so it is ``=`` or nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import Q
from django.http import HttpRequest


class ExactSearch(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """``search_fields`` name columns, also through foreign keys; a term has to equal one of them."""

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """The rows that equal the term; all of them when there is none, none when it cannot be a value."""
        term = search_term.strip()
        if not term:
            return queryset, False
        condition = self.exactly(request, term)
        return (queryset.none() if condition is None else queryset.filter(condition)), False

    def exactly(self, request: HttpRequest, term: str) -> Q | None:
        """A UUID is looked for among ids only, text among text: OR over both would use neither's index."""
        lookups = [str(lookup) for lookup in self.get_search_fields(request)]
        uuid = _uuid(term)
        fitting = [lookup for lookup in lookups if _holds(self.model, lookup, term, uuid)]
        condition = Q()
        for lookup in fitting:
            condition |= Q(**{lookup: uuid or term})
        return condition if fitting else None


def _uuid(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


def _holds(model: type[models.Model], lookup: str, term: str, uuid: UUID | None) -> bool:
    field = column_of(model, lookup)
    if isinstance(field, models.UUIDField):
        return uuid is not None
    too_long = field.max_length is not None and len(term) > field.max_length
    return uuid is None and not too_long and "\x00" not in term


def column_of(model: type[models.Model], lookup: str) -> models.Field[Any, Any]:
    """The column at the end of a lookup like ``identity__subject``. Raises FieldDoesNotExist."""
    field: Any = None
    for name in lookup.split("__"):
        field = model._meta.get_field(name)
        model = field.related_model or model
    if not isinstance(field, models.Field):
        raise FieldDoesNotExist(f"{lookup} is no column")
    if isinstance(field, models.ForeignKey):
        return field.target_field
    return field
