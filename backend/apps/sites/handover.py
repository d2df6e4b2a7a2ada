"""Who owns what a migration made, and the app login's rights on tables without a site."""

from __future__ import annotations

from typing import Any

from psycopg2 import sql

from apps.sites import roles
from apps.sites.rules.lookup import LOOKUP_MARK
from apps.sites.siteless import SITELESS

_MINE = """
SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
       c.oid::regclass::text, false
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
  AND c.relowner = session_user::regrole
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('i', 'a') AND c.relkind = 'S')
UNION ALL
SELECT 'FUNCTION', p.oid::regprocedure::text, coalesce(obj_description(p.oid, 'pg_proc') = %(mark)s, false)
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = session_user::regrole
"""


def hand_over_as(cursor: Any) -> list[str]:
    """Hand every object of the session's login to its owner; returns their names."""
    cursor.execute("SET lock_timeout = '10s'")
    _grant_siteless(cursor)
    cursor.execute(_MINE, {"mark": LOOKUP_MARK})
    moved = cursor.fetchall()
    for kind, name, is_lookup in moved:
        # Kind and name come from the catalogue, already quoted by regclass and regprocedure.
        cursor.execute(f"ALTER {kind} {name} OWNER TO {roles.LOOKUP if is_lookup else roles.OWNER}")
    return [name for _kind, name, _is_lookup in moved]


def _grant_siteless(cursor: Any) -> None:
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    present = {name for (name,) in cursor.fetchall()}
    for name in sorted(SITELESS.keys() & present):
        for verb, rights, joint, login in (
            ("GRANT", ", ".join(SITELESS[name].grants), "TO", roles.APP),
            # Passwords, sessions and second factors are nobody's to look at, whoever looks at all sites.
            (
                *(("GRANT", "SELECT", "TO") if SITELESS[name].auditor else ("REVOKE", "ALL", "FROM")),
                roles.AUDITOR,
            ),
        ):
            template = f"{verb} {rights} ON TABLE public.{{}} {joint} {{}}"
            cursor.execute(sql.SQL(template).format(sql.Identifier(name), sql.Identifier(login)))
    if "sites_site" in present:
        # Due queues join the list of sites; its key and whether it is active are all they may read.
        cursor.execute(f"GRANT SELECT (id, is_active) ON TABLE public.sites_site TO {roles.LOOKUP}")
