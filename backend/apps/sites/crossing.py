"""Work begun in one site's scope and gone on with in another's: refused where Django gives us a hook.

Row security already keeps B's rows from a query made for A's purpose only if the query says so: an unfiltered lazy
queryset, made in A and evaluated in B, would answer B's rows to code that means A. docs/tenancy.md says which
crossings cannot be seen from here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar, cast

from django.db import models
from django.db.models.query import RawQuerySet

from apps.sites.scope import CrossedSiteScope, SiteStamp, active_site_id

Row = TypeVar("Row", bound=models.Model, covariant=True)


def refuse_crossing(made_in: SiteStamp, what: str) -> None:
    """Raise CrossedSiteScope when a scope of another site than ``made_in`` is open; None is nobody's."""
    here = active_site_id()
    if made_in is not None and here is not None and made_in != here:
        raise CrossedSiteScope(f"{what} of site {made_in} was used in the scope of site {here}.")


def refuse_foreign_row(row: models.Model) -> None:
    """Raise CrossedSiteScope when a saved row of another site is asked for more of itself."""
    site_id = row.__dict__.get("site_id")  # not row.site_id: a deferred column would be loaded
    if site_id is not None and not row._state.adding:
        refuse_crossing(site_id, f"A row of {row._meta.label}")


class SiteQuerySet(models.QuerySet[Row]):
    """Remembers the site in whose scope it was made; its query is refused in any other (postgresql/compiler.py).

    One that is made outside every scope (a class attribute of a view, a form field) belongs to none until it is
    cloned inside one.
    """

    _read_in: SiteStamp = None

    def __init__(self, model: Any = None, query: Any = None, using: Any = None, hints: Any = None) -> None:
        super().__init__(model, query, using, hints)
        own: Any = self._query  # type: ignore[attr-defined]  # the property would apply deferred filters
        # The stamp lives on the query, which every clone and sub-select takes along.
        if getattr(own, "made_in", None) is None:
            own.made_in = active_site_id()
        if "instance" in self._hints:  # type: ignore[attr-defined]
            refuse_foreign_row(self._hints["instance"])  # type: ignore[attr-defined]

    def _add_hints(self, **hints: Any) -> None:
        # Related managers and prefetch_related name the row that they start from here.
        if isinstance(row := hints.get("instance"), models.Model):
            refuse_foreign_row(row)
        super()._add_hints(**hints)  # type: ignore[misc]

    @property
    def _result_cache(self) -> list[Any] | None:
        # Length, truth, index and iteration all answer from here once the rows were read.
        rows: list[Any] | None = self.__dict__["_result_cache"]
        if rows is not None:
            refuse_crossing(self._read_in, f"Rows of {self.model._meta.label}")
        return rows

    @_result_cache.setter
    def _result_cache(self, rows: list[Any] | None) -> None:
        self.__dict__["_result_cache"] = rows
        self._read_in = active_site_id()

    def _iterator(self, *args: Any) -> Iterator[Any]:
        begun_in = active_site_id()
        for row in super()._iterator(*args):  # type: ignore[misc]
            yield row
            if active_site_id() != begun_in:
                raise CrossedSiteScope(f"An iterator of site {begun_in} went on outside its scope.")

    def raw(self, *args: Any, **kwargs: Any) -> RawQuerySet[Any]:
        made: Any = super().raw(*args, **kwargs)
        made.__class__ = SiteRawQuerySet
        made.made_in = active_site_id()
        return cast("RawQuerySet[Any]", made)


class SiteRawQuerySet(RawQuerySet):  # type: ignore[type-arg]  # generic in the stubs only
    """``raw()`` is lazy too, and no compiler sees it."""

    made_in: SiteStamp = None

    def _fetch_all(self) -> None:
        refuse_crossing(self.made_in, "A raw query")
        super()._fetch_all()  # type: ignore[misc]

    def iterator(self) -> Iterator[Any]:
        refuse_crossing(self.made_in, "A raw query")
        return super().iterator()


class SiteManager(models.Manager[Row]):
    """The default and the base manager of every row of a site: save, refresh and foreign keys go through it too."""

    def get_queryset(self) -> SiteQuerySet[Row]:
        return SiteQuerySet(self.model, using=self._db, hints=self._hints)  # type: ignore[attr-defined]
