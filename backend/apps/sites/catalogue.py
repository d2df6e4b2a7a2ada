"""What the PostgreSQL catalogue says about isolation: every table is guarded, or on the site-less list."""

from __future__ import annotations

from typing import Any

from apps.sites import roles
from apps.sites.siteless import SITELESS

_TABLES = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity, pg_get_userbyid(c.relowner),
       EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'site_id' AND a.attnotnull),
       ARRAY(SELECT DISTINCT r.rolname::text FROM pg_policy p JOIN pg_roles r ON r.oid = ANY (p.polroles)
             WHERE p.polrelid = c.oid),
       has_table_privilege(%(app)s, c.oid, 'TRUNCATE'),
       EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND 0 = ANY (p.polroles))
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1
"""
_PLAIN_REFERENCES = """
SELECT c.relname, f.conname, t.relname
FROM pg_constraint f JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class t ON t.oid = f.confrelid
WHERE f.contype = 'f' AND c.relnamespace = 'public'::regnamespace AND cardinality(f.conkey) = 1
"""


def catalogue_faults(cursor: Any) -> list[str]:
    """One sentence for each thing in the database that would let rows cross a site; empty when sound."""
    cursor.execute(_TABLES, {"app": roles.APP})
    tables = cursor.fetchall()
    faults = [fault for row in tables for fault in _table_faults(*row)]
    guarded = {row[0] for row in tables if row[0] not in SITELESS}
    cursor.execute(_PLAIN_REFERENCES)
    faults += [
        f"{source}: foreign key {name} points at {target} without the site; use SiteForeignKey and SiteReference"
        for source, name, target in cursor.fetchall()
        if source in guarded and target in guarded
    ]
    return faults


def _table_faults(
    name: str,
    enabled: bool,
    forced: bool,
    owner: str,
    has_site: bool,
    policy_roles: list[str],
    may_truncate: bool,
    for_public: bool,
) -> list[str]:
    faults = [f"{name}: the app login may TRUNCATE it"] if may_truncate else []
    if owner != roles.OWNER:
        faults.append(f"{name}: owned by {owner}, not {roles.OWNER}")
    if name in SITELESS:
        return faults
    if not has_site:
        faults.append(f"{name}: no NOT NULL site_id, and not on the site-less list in apps/sites/siteless.py")
    if not (enabled and forced):
        faults.append(
            f"{name}: row security is not enabled and forced; add *site_rules(...) to Meta.constraints"
        )
    if for_public or not {roles.APP, roles.MIGRATOR} <= set(policy_roles) <= {
        roles.APP,
        roles.MIGRATOR,
        roles.LOOKUP,
    }:
        faults.append(f"{name}: policies for {sorted(policy_roles)}, wanted exactly app and migrator")
    return faults
