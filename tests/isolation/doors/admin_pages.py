"""Every page of the admin from its own URL patterns, and the requests that carry an id to it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import site as admin_site
from django.db import models
from django.urls import URLResolver

from apps.sites.models import Asset

ADMIN = "/admin/"
_CONVERTER = re.compile(r"<(?:[^:>]+:)?([^>]+)>")
_APP_LIST = re.compile(r"\^\(\?P<app_label>[a-z_|]+\)/\$$")
# Pages without an id and without rows: they are asked once, as they are.
PLAIN = frozenset(
    {"index", "login", "logout", "password_change", "password_change_done", "jsi18n"}
    | {"second_factor", "second_factor_setup"}
)

IdOf = Callable[[type[models.Model]], str]
_TERMS = {
    "amount": "1000",
    "tge_basis_points": "10000",
    "parts": "0",
    "cliff_count": "0",
    "cliff_unit": "month",
}
_TERMS |= {"period_count": "1", "period_unit": "month"}
_UNKNOWN_ACTION = "no-such-action"
# Refused before any form is read: what they might be sent beside the ticked rows is not looked at.
_NO_FORMS = (_UNKNOWN_ACTION, "delete_selected")


@dataclass(frozen=True)
class AdminPage:
    """One URL pattern; ``kind`` is the last word of its name, ``model`` whose pages it belongs to."""

    address: str
    kind: str
    model: type[models.Model] | None
    names: tuple[str, ...]

    def __str__(self) -> str:
        return self.address


@dataclass(frozen=True)
class AdminCase:
    """One request to a page: "{}" stands for an id of ``takes``, "{own}" for the person's own row of the page.

    ``beside``: fields that each take an id of a model of their own.
    """

    page: AdminPage
    method: str
    address: str
    takes: type[models.Model]
    fields: dict[str, str] = field(default_factory=dict)
    beside: dict[str, type[models.Model]] = field(default_factory=dict)

    def __str__(self) -> str:
        words = [f"{name}={value}" for name, value in self.fields.items()]
        return " ".join([self.method, self.address, *words, *(["and ids beside"] if self.beside else [])])

    def sent(self, id_of: IdOf, own_id: str) -> tuple[str, dict[str, str]]:
        """(address, form fields) with those ids in it."""
        row_id = id_of(self.takes)

        def filled(text: str) -> str:
            return text.replace("{}", row_id).replace("{own}", own_id)

        fields = {name: filled(value) for name, value in self.fields.items()}
        fields |= {name: id_of(model) for name, model in self.beside.items()}
        address = filled(self.address)
        if self.method == "GET" and fields:
            return f"{address}?{urlencode(fields)}", {}
        return address, fields


class UnknownPage(LookupError):
    """The admin has a page that the walk cannot ask for yet."""

    def __init__(self, page: AdminPage) -> None:
        super().__init__(
            f"Teach tests/isolation/doors/admin_pages.py to ask for {page.address} {page.names}."
        )


@cache
def admin_pages() -> list[AdminPage]:
    """All of them, in the order of their patterns."""
    return list(_pages(admin_site.get_urls(), ADMIN))


def cases_of(page: AdminPage) -> list[AdminCase]:
    """What is asked of the page with an id; empty for pages that take none. Raises UnknownPage."""
    match page.kind, page.names, page.model:
        case "app_list" | "catch_all", _, _:
            return []
        case "add", (), model if model is not None:
            return list(_forms(page, model, page.address))
        case kind, (), None if kind in PLAIN:
            return []
        case "reports", (), model if model is not None:
            return []
        case "choose_site", (), None:
            return [AdminCase(page, "POST", page.address, _site(), {"site": "{}"})]
        case "autocomplete", (), None:
            return list(_autocompletes(page))
        case "changelist", (), model if model is not None:
            return list(_lists(page, model))
        case _, ("object_id" | "id",) as names, model if model is not None:
            address = page.address.replace(f"{{{names[0]}}}", "{}")
            own = _forms(page, model, address.replace("{}", "{own}")) if page.kind == "change" else ()
            return [*(AdminCase(page, method, address, model) for method in ("GET", "POST")), *own]
        case "preview", (), _:
            return [AdminCase(page, "POST", page.address, Asset, {**_TERMS, "asset": "{}"})]
        case "ask", ("action",), model if model is not None:
            return list(_asks(page, model))
        case _:
            raise UnknownPage(page)


def plain_addresses(page: AdminPage) -> list[str]:
    """The page without any id, where there is such a thing."""
    if page.kind == "app_list":
        return [f"{ADMIN}{label}/" for label in sorted({m._meta.app_label for m in admin_site._registry})]
    if page.kind == "catch_all":
        return [f"{ADMIN}no/such/page/"]
    return [] if page.names or page.kind in ("logout", "autocomplete") else [page.address]


def _lists(page: AdminPage, model: type[models.Model]) -> Iterator[AdminCase]:
    """The search, every filter by a column that holds an id, and every action on ticked rows."""
    yield AdminCase(page, "GET", page.address, model, {"q": "{}"})
    yield AdminCase(page, "GET", page.address, model, {"id__exact": "{}"})
    yield AdminCase(page, "GET", page.address, model, {"pk": "{}"})
    for column in _foreign_keys(model):
        for lookup in (f"{column.name}__id__exact", column.attname):
            yield AdminCase(page, "GET", page.address, column.related_model, {lookup: "{}"})
    for action in _action_names(model):
        yield AdminCase(
            page, "POST", page.address, model, {"action": action, "_selected_action": "{}", "index": "0"}
        )


def _forms(page: AdminPage, model: type[models.Model], address: str) -> Iterator[AdminCase]:
    """One foreign key of a form at a time; what else it wants is missing, so that nothing is saved."""
    for column in _foreign_keys(model):
        # A form of one box would take its absence for a change.
        yield AdminCase(page, "POST", address, column.related_model, {column.name: "{}", "is_active": "on"})


def _asks(page: AdminPage, model: type[models.Model]) -> Iterator[AdminCase]:
    for action in [*_action_names(model), _UNKNOWN_ACTION]:
        address = page.address.replace("{action}", action)
        for method in ("GET", "POST"):
            yield AdminCase(page, method, address, model, {"ids": "{}"})
        if action in _NO_FORMS:
            continue
        # What else an action asks for, by whatever name, with the own row ticked.
        yield AdminCase(page, "POST", address, model, {"ids": "{own}"}, _id_fields())


def _autocompletes(page: AdminPage) -> Iterator[AdminCase]:
    for model in admin_site._registry:
        for column in _foreign_keys(model):
            fields = {
                "app_label": model._meta.app_label,
                "model_name": str(model._meta.model_name),
                "field_name": column.name,
                "term": "{}",
            }
            yield AdminCase(page, "GET", page.address, column.related_model, fields)


def _id_fields() -> dict[str, type[models.Model]]:
    """Names that a form may give to an id of a site's row, from the foreign keys of all models."""
    columns = [column for model in admin_site._registry for column in _foreign_keys(model)]
    named = {column.attname: column.related_model for column in columns}
    return {name: named[name] for name in sorted(named) if hasattr(named[name], "site_id")}


def _action_names(model: type[models.Model]) -> list[str]:
    actions: Any = getattr(admin_site._registry[model], "entry_actions", None) or ()
    return ["delete_selected", *(action.name for action in actions)]


def _foreign_keys(model: type[models.Model]) -> list[Any]:
    return [each for each in model._meta.concrete_fields if isinstance(each, models.ForeignKey)]


def _site() -> type[models.Model]:
    return next(model for model in admin_site._registry if model._meta.label == "sites.Site")


def _pages(patterns: Any, prefix: str) -> Iterator[AdminPage]:
    for each in patterns:
        if isinstance(each, URLResolver):
            yield from _pages(each.url_patterns, f"{prefix}{each.pattern}")
        else:
            yield _page(each, f"{prefix}{each.pattern}")


def _page(pattern: Any, address: str) -> AdminPage:
    if pattern.name == "app_list" and _APP_LIST.search(address):
        return AdminPage(address, "app_list", None, ("app_label",))
    if address.endswith("(?P<url>.*)$"):
        return AdminPage(address, "catch_all", None, ("url",))
    names = tuple(_CONVERTER.findall(address))
    model = _model_of(address)
    kind = str(pattern.name or "shortcut_of_object")
    if model is not None:
        kind = kind.removeprefix(f"{model._meta.app_label}_{model._meta.model_name}_")
    return AdminPage(_CONVERTER.sub(r"{\1}", address), kind, model, names)


def _model_of(address: str) -> type[models.Model] | None:
    for model in admin_site._registry:
        if address.startswith(f"{ADMIN}{model._meta.app_label}/{model._meta.model_name}/"):
            return model
    return None
