"""What every row of a site has, and how it points at other rows of its site."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models

from apps.core.ids import uuid7
from apps.sites.crossing import SiteManager
from apps.sites.scope import current_site_id


class SiteOwned(models.Model):
    """A row that belongs to one site; ``site`` defaults to the open scope's.

    Each subclass lists ``*site_rules(...)`` in ``Meta.constraints``; a system check refuses one that does not.
    """

    is_site_owned: ClassVar[bool] = True

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    site = models.ForeignKey(
        "sites.Site",
        on_delete=models.PROTECT,
        related_name="+",
        default=current_site_id,
        editable=False,
        db_index=False,  # every composite index leads with it
    )

    objects: ClassVar[SiteManager[Self]] = SiteManager()

    class Meta:
        abstract = True
        base_manager_name = "objects"  # inherited: Django takes the first parent's where a model names none


class SiteForeignKey(models.ForeignKey):  # type: ignore[type-arg]
    """A foreign key inside a site: the database's own check is the SiteReference beside it."""

    def __init__(self, to: Any, **kwargs: Any) -> None:
        kwargs.setdefault("on_delete", models.PROTECT)
        kwargs.setdefault("related_name", "+")
        super().__init__(to, **{**kwargs, "db_constraint": False, "db_index": False})
