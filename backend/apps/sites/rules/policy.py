"""Constraint classes that tie a table to its site: the row policy and composite foreign keys."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import models

from apps.core.rules import SqlRule, column, table
from apps.sites import roles


class SitePolicy(SqlRule):
    """Row security, ENABLEd and FORCEd, with one policy each for the app login, migrator and auditor.

    The cast stays inside the sub-select, so that it is computed once a statement and not once a row; there is
    no missing_ok argument, so that a forgotten scope raises. ``grants`` are the app login's table rights.
    """

    parameters = ("grants",)

    def __init__(self, *, name: str, grants: Sequence[str] = ("SELECT", "INSERT", "UPDATE")) -> None:
        super().__init__(name=name)
        self.grants = list(grants)

    def up(self, model: type[models.Model]) -> str:
        name, here = table(model), "site_id = (SELECT current_setting('app.current_site_id')::uuid)"
        return (
            f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;\n"
            f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY;\n"
            f'CREATE POLICY "{self.name}" ON {name} TO {roles.APP} USING ({here}) WITH CHECK ({here});\n'
            f'CREATE POLICY "{self.name}_migrator" ON {name} TO {roles.MIGRATOR} '
            "USING (site_id IS NOT NULL) WITH CHECK (site_id IS NOT NULL);\n"
            f'CREATE POLICY "{self.name}_auditor" ON {name} FOR SELECT TO {roles.AUDITOR} '
            "USING (site_id IS NOT NULL);\n"
            f"GRANT {', '.join(self.grants)} ON {name} TO {roles.APP};\n"
            f"GRANT SELECT ON {name} TO {roles.AUDITOR};"
        )

    def down(self, model: type[models.Model]) -> str:
        name = table(model)
        return (
            f"REVOKE ALL ON {name} FROM {roles.APP}, {roles.AUDITOR};\n"
            f'DROP POLICY "{self.name}_auditor" ON {name};\n'
            f'DROP POLICY "{self.name}_migrator" ON {name};\n'
            f'DROP POLICY "{self.name}" ON {name};\n'
            f"ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY;\n"
            f"ALTER TABLE {name} DISABLE ROW LEVEL SECURITY;"
        )


class SiteReference(SqlRule):
    """FOREIGN KEY (site_id, x_id) REFERENCES x (site_id, id): a row can only point into its own site.

    A plain foreign key would not do: PostgreSQL checks those without row security.
    """

    parameters = ("field",)

    def __init__(self, *, name: str, field: str) -> None:
        super().__init__(name=name)
        self.field = field

    def up(self, model: type[models.Model]) -> str:
        target = model._meta.get_field(self.field).related_model
        assert isinstance(target, type)
        return (
            f'ALTER TABLE {table(model)} ADD CONSTRAINT "{self.name}" '
            f'FOREIGN KEY ("site_id", {column(model, self.field)}) '
            f'REFERENCES {table(target)} ("site_id", "id") DEFERRABLE INITIALLY DEFERRED;'
        )

    def down(self, model: type[models.Model]) -> str:
        return f'ALTER TABLE {table(model)} DROP CONSTRAINT "{self.name}";'


def site_rules(
    prefix: str,
    *,
    references: Sequence[str] = (),
    referenced: bool = True,
    grants: Sequence[str] = ("SELECT", "INSERT", "UPDATE"),
) -> list[models.BaseConstraint]:
    """Every rule that a site's table needs; ``references`` names its foreign keys to other site tables."""
    rules: list[models.BaseConstraint] = [SitePolicy(name=f"{prefix}_site_policy", grants=grants)]
    if referenced:
        rules.append(models.UniqueConstraint(fields=["site", "id"], name=f"{prefix}_site_id_key"))
    rules += [SiteReference(name=f"{prefix}_{field}_site_fk", field=field) for field in references]
    return rules
