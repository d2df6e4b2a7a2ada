"""System checks: a model of a site without its rules never reaches a migration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connection, models

from apps.core.connection_budget import Processes, budget_warning, connections_offered
from apps.sites.catalogue import catalogue_faults
from apps.sites.owned import SiteForeignKey
from apps.sites.rules.policy import SitePolicy, SiteReference
from apps.sites.siteless import SITELESS


@register("tenancy")
def check_site_rules(app_configs: Sequence[AppConfig] | None, **_kwargs: Any) -> list[CheckMessage]:
    """posx.E001 to E003: every model of ours is site-owned with its rules, or listed as site-less."""
    found: list[CheckMessage] = []
    for model in apps.get_models():
        if not model.__module__.startswith("apps.") or model._meta.proxy:
            continue
        found += _owned(model) if getattr(model, "is_site_owned", False) else _siteless(model)
    return found


def _siteless(model: type[models.Model]) -> list[CheckMessage]:
    if model._meta.db_table in SITELESS:
        return []
    return [
        Error(
            f"{model._meta.label} is neither SiteOwned nor on the site-less list.",
            hint="Inherit apps.sites.owned.SiteOwned and put *site_rules(...) into Meta.constraints, "
            "or add its table with a reason to apps/sites/siteless.py.",
            obj=model,
            id="posx.E001",
        )
    ]


def _owned(model: type[models.Model]) -> list[CheckMessage]:
    rules = model._meta.constraints
    found: list[CheckMessage] = []
    if not any(isinstance(rule, SitePolicy) for rule in rules):
        found.append(
            Error(
                f"{model._meta.label} has no row policy.",
                hint="Put *site_rules('<prefix>', references=[...]) into Meta.constraints.",
                obj=model,
                id="posx.E002",
            )
        )
    referenced = {rule.field for rule in rules if isinstance(rule, SiteReference)}
    for field in model._meta.local_fields:
        target = field.related_model
        inside = isinstance(target, type) and getattr(target, "is_site_owned", False)
        if inside and not (isinstance(field, SiteForeignKey) and field.name in referenced):
            found.append(
                Error(
                    f"{model._meta.label}.{field.name} points inside a site without a composite key.",
                    hint="Make it a SiteForeignKey and name it in site_rules(references=[...]).",
                    obj=model,
                    id="posx.E003",
                )
            )
    return found


@register(Tags.database)
def check_catalogue(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """posx.E010: ``manage.py check --database default`` reads what the database itself says."""
    if "default" not in (databases or ()):
        return []
    with connection.cursor() as cursor:
        return [
            Error(sentence, hint="See docs/tenancy.md; run `python manage.py migrate`.", id="posx.E010")
            for sentence in catalogue_faults(cursor)
        ]


@register(Tags.database)
def check_connections(databases: Sequence[str] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """posx.W010: all processes together may open no more connections than PostgreSQL offers their login."""
    if "default" not in (databases or ()) or settings.DATABASE_IS_POOLED:
        return []
    with connection.cursor() as cursor:
        offered = connections_offered(cursor, connection.settings_dict["USER"])
    warning = budget_warning(Processes(**settings.PROCESSES), offered)
    return [checks.Warning(warning, hint="See docs/connections.md.", id="posx.W010")] if warning else []
