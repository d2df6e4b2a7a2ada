"""What the PostgreSQL catalogue says about isolation: one question a rule, each answering sentences.

Asked after every migrate, by ``manage.py check --database default`` and by the tests. The app login may ask too.
"""

from __future__ import annotations

from typing import Any

from apps.sites import roles
from apps.sites.siteless import SITELESS

APP_QUAL = "(site_id = ( SELECT (current_setting('app.current_site_id'::text))::uuid AS current_setting))"
OTHER_QUAL = "(site_id IS NOT NULL)"

# SECURITY DEFINER functions, which answer across sites, and why each may. Due queues share the prefix.
DEFINER_FUNCTIONS = {
    "due_sites_%": "A sweeper must learn which sites have due rows before it can enter one; answers ids and times.",
    "member_sites": "The admin must offer a person their sites before one is chosen; answers site ids.",
}

_OURS = """
WITH ours AS (
  SELECT c.oid, c.relname::text AS name, c.relname = ANY (%(siteless)s) AS siteless,
         c.relrowsecurity, c.relforcerowsecurity, c.relowner, c.relispartition
  FROM pg_catalog.pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')),
guarded AS (SELECT * FROM ours WHERE NOT siteless)
"""

QUESTIONS: dict[str, str] = {
    "every table belongs to a site or is on the site-less list": """
        SELECT name || ': no NOT NULL uuid site_id, and not on the list in apps/sites/siteless.py' FROM guarded t
        WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.oid AND a.attname = 'site_id'
                          AND a.attnotnull AND a.atttypid = 'uuid'::regtype)""",
    "row security is enabled and forced": """
        SELECT name || ': row security is not enabled and forced; add *site_rules(...) to Meta.constraints'
        FROM guarded WHERE NOT (relrowsecurity AND relforcerowsecurity)""",
    "the app login has exactly its policy": """
        SELECT name || ': wants one permissive policy for all commands for the app login, by the site, both ways'
        FROM guarded t WHERE 1 <> (
            SELECT count(*) FROM pg_policy p WHERE p.polrelid = t.oid AND p.polroles = ARRAY[%(app)s::regrole::oid]
              AND p.polcmd = '*' AND p.polpermissive AND pg_get_expr(p.polqual, t.oid) = %(app_qual)s
              AND pg_get_expr(p.polwithcheck, t.oid) = %(app_qual)s)""",
    "no other policy opens a table to the app login": """
        SELECT t.name || ': policy ' || p.polname || ' is for the app login, for everybody, or says something new'
        FROM guarded t JOIN pg_policy p ON p.polrelid = t.oid
        WHERE NOT (p.polroles = ARRAY[%(app)s::regrole::oid] AND pg_get_expr(p.polqual, t.oid) = %(app_qual)s)
          AND NOT (p.polroles = ARRAY[%(migrator)s::regrole::oid] AND pg_get_expr(p.polqual, t.oid) = %(other_qual)s
                   AND pg_get_expr(p.polwithcheck, t.oid) = %(other_qual)s)
          AND NOT (p.polroles = ARRAY[%(lookup)s::regrole::oid] AND p.polcmd = 'r'
                   AND pg_get_expr(p.polqual, t.oid) = %(other_qual)s)
          AND NOT (p.polroles = ARRAY[%(auditor)s::regrole::oid] AND p.polcmd = 'r'
                   AND pg_get_expr(p.polqual, t.oid) = %(other_qual)s)""",
    "references inside a site carry the site": """
        SELECT t.name || ': foreign key ' || f.conname || ' points at ' || o.name || ' without the site; '
               || 'use SiteForeignKey and SiteReference'
        FROM guarded t JOIN pg_constraint f ON f.conrelid = t.oid AND f.contype = 'f'
        JOIN guarded o ON o.oid = f.confrelid
        WHERE NOT EXISTS (
            SELECT FROM unnest(f.conkey, f.confkey) AS pair (here, there)
            JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = pair.here AND a.attname = 'site_id'
            JOIN pg_attribute b ON b.attrelid = f.confrelid AND b.attnum = pair.there AND b.attname = 'site_id')""",
    "references are valid and do nothing on their own": """
        SELECT t.name || ': foreign key ' || f.conname || ' is not validated or cascades'
        FROM guarded t JOIN pg_constraint f ON f.conrelid = t.oid AND f.contype = 'f'
        WHERE NOT f.convalidated OR f.confdeltype <> 'a' OR f.confupdtype <> 'a'""",
    "an index leads with the site": """
        SELECT name || ': no index leads with site_id' FROM guarded t WHERE NOT EXISTS (
            SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
            WHERE i.indrelid = t.oid AND a.attname = 'site_id')""",
    "unique keys are per site": """
        SELECT t.name || ': unique index ' || x.relname || ' spans sites, so that one can learn of another''s keys'
        FROM guarded t JOIN pg_index i ON i.indrelid = t.oid AND i.indisunique
        JOIN pg_class x ON x.oid = i.indexrelid
        LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = i.indkey[0]
        WHERE a.attname IS DISTINCT FROM 'site_id' AND NOT (i.indisprimary AND a.atttypid = 'uuid'::regtype)""",
    "nothing counts across sites": """
        SELECT t.name || ': column ' || a.attname || ' counts by a sequence, which tells one site of another''s rows'
        FROM guarded t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0
        WHERE a.attidentity <> '' OR pg_get_serial_sequence('public.' || quote_ident(t.name), a.attname) IS NOT NULL""",
    "tables are the owner's": """
        SELECT name || ': owned by ' || pg_get_userbyid(relowner) || ', not ' || %(owner)s FROM ours
        WHERE pg_get_userbyid(relowner) <> %(owner)s""",
    "the app login has no right that goes around rows": """
        SELECT t.name || ': the app login may ' || r.granted FROM ours t,
          unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS r (granted)
        WHERE has_table_privilege(%(app)s, t.oid, r.granted)
        UNION ALL SELECT 'schema public: the app login may CREATE'
        WHERE has_schema_privilege(%(app)s, 'public', 'CREATE')
        UNION ALL SELECT 'database: the app login may ' || r.granted
        FROM unnest(ARRAY['CREATE', 'TEMPORARY']) AS r (granted)
        WHERE has_database_privilege(%(app)s, current_database(), r.granted)""",
    "views ask as who looks": """
        SELECT c.relname || ': a view without security_invoker, or a materialized one, shows rows of every site'
        FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND (c.relkind = 'm' OR c.relkind = 'v'
          AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false))""",
    "definer functions are known and pinned": """
        SELECT p.oid::regprocedure || ': SECURITY DEFINER, and not on the list in apps/sites/catalogue.py, '
               || 'not owned by the lookup role, or without a fixed search_path'
        FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
          AND NOT (p.proname LIKE ANY (%(definers)s) AND pg_get_userbyid(p.proowner) = %(lookup)s
                   AND 'search_path=pg_catalog, pg_temp' = ANY (coalesce(p.proconfig, '{}')))""",
    "partitions are guarded themselves": """
        SELECT t.name || ': a partition can be read past the policies of its parent' FROM guarded t
        WHERE t.relispartition AND NOT (t.relrowsecurity AND t.relforcerowsecurity)""",
    "the app login is nobody else": """
        SELECT 'login ' || r.rolname || ' is superuser, bypasses row security or may make roles'
        FROM pg_roles r WHERE r.rolname IN (%(app)s, %(auditor)s)
          AND (r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolreplication)
        UNION ALL SELECT 'login ' || m.member::regrole || ' is a member of ' || m.roleid::regrole
        FROM pg_auth_members m WHERE m.member IN (%(app)s::regrole, %(auditor)s::regrole)""",
}


def catalogue_faults(cursor: Any) -> list[str]:
    """One sentence for each thing in the database that would let rows cross a site; empty when sound."""
    values = {
        "siteless": list(SITELESS),
        "app": roles.APP,
        "migrator": roles.MIGRATOR,
        "lookup": roles.LOOKUP,
        "owner": roles.OWNER,
        "auditor": roles.AUDITOR,
        "app_qual": APP_QUAL,
        "other_qual": OTHER_QUAL,
        "definers": list(DEFINER_FUNCTIONS),
    }
    faults: list[str] = []
    for question in QUESTIONS.values():
        cursor.execute(_OURS + question, values)
        faults += [sentence for (sentence,) in cursor.fetchall()]
    return faults
