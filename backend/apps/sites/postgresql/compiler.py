"""SQL compilers that refuse rows of a site outside a scope.

Row security alone would not do: a scan of an empty table evaluates no policy and answers "no rows" where the
scope was forgotten (docs/tenancy.md).
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.apps import apps
from django.db.backends.postgresql import compiler as base

from apps.sites.auditor import AuditorOnlyReads, require_look
from apps.sites.crossing import refuse_crossing
from apps.sites.scope import SiteScopeMissing, in_scope


@cache
def site_tables() -> frozenset[str]:
    """Tables whose rows belong to a site."""
    return frozenset(
        model._meta.db_table for model in apps.get_models() if getattr(model, "is_site_owned", False)
    )


class ScopeGuard:
    """Raises SiteScopeMissing when a statement names a site's table and no scope is open, and CrossedSiteScope
    when its queryset was made in the scope of another site."""

    query: Any
    connection: Any
    writes = True

    def as_sql(self, *args: Any, **kwargs: Any) -> Any:
        if self.connection.is_auditor:
            self._refuse_to_auditor()
        elif not in_scope() and not self.connection.is_migrator:
            named = {self.query.get_meta().db_table} if self.query.model else set()
            named.update(join.table_name for join in self.query.alias_map.values())
            if touched := named & site_tables():
                raise SiteScopeMissing(
                    f"{', '.join(sorted(touched))}: rows of a site are only reachable inside site_scope()."
                )
        refuse_crossing(getattr(self.query, "made_in", None), "A query")
        return super().as_sql(*args, **kwargs)  # type: ignore[misc]

    def _refuse_to_auditor(self) -> None:
        if self.writes:
            raise AuditorOnlyReads("Nothing is written over the auditor's connection.")
        require_look()


class SQLCompiler(ScopeGuard, base.SQLCompiler):
    writes = False


class SQLInsertCompiler(ScopeGuard, base.SQLInsertCompiler):
    pass


class SQLDeleteCompiler(ScopeGuard, base.SQLDeleteCompiler):
    pass


class SQLUpdateCompiler(ScopeGuard, base.SQLUpdateCompiler):
    pass


class SQLAggregateCompiler(ScopeGuard, base.SQLAggregateCompiler):
    writes = False
