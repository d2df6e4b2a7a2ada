"""The few functions that look across sites, each over named columns only.

They are SECURITY DEFINER, owned by the NOLOGIN role ``posx_lookup``, with a fixed search_path, and answer site
ids and times: never a row of a site.
"""

from __future__ import annotations

from django.db import models

from apps.core.rules import SqlRule, column, table
from apps.sites import roles

LOOKUP_MARK = "posx_lookup: owned by the lookup role"


class LookupFunction(SqlRule):
    """Base: makes ``public.<name>(...)`` and gives the lookup role SELECT on ``columns`` of the table."""

    def signature(self) -> tuple[str, str]:
        """(arguments, result type)."""
        raise NotImplementedError

    def query(self, model: type[models.Model]) -> str:
        raise NotImplementedError

    def columns(self) -> list[str]:
        raise NotImplementedError

    def up(self, model: type[models.Model]) -> str:
        arguments, result = self.signature()
        columns = ", ".join(column(model, field) for field in self.columns())
        function = f"public.{self.name}({arguments})"
        return (
            f"GRANT SELECT ({columns}) ON {table(model)} TO {roles.LOOKUP};\n"
            f'CREATE POLICY "{self.name}" ON {table(model)} FOR SELECT TO {roles.LOOKUP} '
            "USING (site_id IS NOT NULL);\n"
            f"CREATE OR REPLACE FUNCTION {function} RETURNS {result} LANGUAGE sql STABLE SECURITY DEFINER "
            f"SET search_path = pg_catalog, pg_temp AS $lookup$\n{self.query(model)}\n$lookup$;\n"
            f"COMMENT ON FUNCTION {function} IS '{LOOKUP_MARK}';\n"
            f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC;\n"
            f"GRANT EXECUTE ON FUNCTION {function} TO {roles.APP};"
        )

    def down(self, model: type[models.Model]) -> str:
        arguments, _result = self.signature()
        return (
            f'DROP FUNCTION public.{self.name}({arguments});\nDROP POLICY "{self.name}" ON {table(model)};'
            # The column grants stay: another lookup of the same table may share them.
        )


class DueQueue(LookupFunction):
    """``due_sites_<queue>(max_sites)``: active sites with due work, the longest waiting first.

    One index probe a site on the partial index (site_id, <due>) WHERE <when>, which the model declares; ``when``
    must be written exactly as that index's condition.
    """

    parameters = ("due", "when", "reads")

    def __init__(self, *, name: str, due: str, when: str, reads: list[str]) -> None:
        if not name.startswith("due_sites_"):
            raise ValueError(f"{name}: a due queue is named due_sites_<queue>")
        super().__init__(name=name)
        self.due, self.when, self.reads = due, when, reads

    def signature(self) -> tuple[str, str]:
        return "max_sites integer", "TABLE (site_id uuid, oldest_due_at timestamptz)"

    def columns(self) -> list[str]:
        return ["site", self.due, *self.reads]

    def query(self, model: type[models.Model]) -> str:
        due = column(model, self.due)
        return (
            "SELECT s.id, d.oldest FROM public.sites_site s CROSS JOIN LATERAL (\n"
            f"  SELECT {due} AS oldest FROM {table(model)} w\n"
            f"  WHERE w.site_id = s.id AND {self.when} AND {due} <= now()\n"
            f"  ORDER BY {due} LIMIT 1) d\n"
            "ORDER BY d.oldest LIMIT max_sites"
        )
