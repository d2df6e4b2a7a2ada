"""Makes the logins and rights that tenancy stands on, from whatever DATABASE_URL is. Idempotent.

Everything here runs on a direct connection as DATABASE_URL's own login; nothing else in POSX may open that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from django.conf import settings
from psycopg2 import sql

from apps.sites import roles
from apps.sites.rules.lookup import LOOKUP_MARK
from apps.sites.siteless import SITELESS
from config.logins import derive_login_password

# Advisory locks belong to one database; roles belong to the cluster. So everybody locks in this one.
_LOCK_DATABASE = "postgres"
_LOCK_KEY = 0x504F5358  # "POSX"


class CannotProvision(RuntimeError):
    """DATABASE_URL's login may not make roles."""


@contextmanager
def cluster_lock() -> Iterator[None]:
    """Hold the cluster-wide lock under which roles change and migrations run; waits for another release.

    Two concurrent ALTER ROLE fail with "tuple concurrently updated", and replicas start at the same moment.
    """
    holder = admin_connection(_LOCK_DATABASE)
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        yield
    finally:
        holder.close()


def admin_connection(database: str | None = None) -> Any:
    """A psycopg2 connection in autocommit as DATABASE_URL's login."""
    admin = settings.DATABASE_ADMIN
    connection = psycopg2.connect(
        dbname=database or admin["NAME"],
        user=admin["USER"],
        password=admin["PASSWORD"],
        host=admin["HOST"],
        port=admin["PORT"] or None,
        connect_timeout=5,
        **{key: value for key, value in admin.get("OPTIONS", {}).items() if key == "sslmode"},
    )
    connection.autocommit = True
    return connection


def provision_roles() -> None:
    """Create or correct the four roles, their memberships and their rights on the database and schema."""
    connection = admin_connection()
    try:
        with connection.cursor() as cursor:
            _refuse_powerless(cursor)
            for role in (roles.OWNER, roles.LOOKUP):
                _ensure_role(cursor, role, "NOLOGIN NOINHERIT")
            for login in (roles.MIGRATOR, roles.APP):
                _ensure_role(cursor, login, "LOGIN", _password(login))
            _grant_rights(cursor, settings.DATABASE_ADMIN["NAME"])
    finally:
        connection.close()


def hand_over() -> list[str]:
    """Give what the migrator made to its final owner and the app login its rights on site-less tables.

    Touches only objects that the migrator still owns, so that a later release locks no full table.
    Returns the names of what changed hands.
    """
    connection = admin_connection()
    try:
        with connection.cursor() as cursor:
            cursor.execute(_OWNED_BY_MIGRATOR, {"migrator": roles.MIGRATOR, "mark": LOOKUP_MARK})
            moved = cursor.fetchall()
            for kind, name, is_lookup in moved:
                cursor.execute(f"ALTER {kind} {name} OWNER TO {roles.LOOKUP if is_lookup else roles.OWNER}")
            _grant_siteless(cursor)
            return [name for _kind, name, _is_lookup in moved]
    finally:
        connection.close()


_OWNED_BY_MIGRATOR = """
SELECT CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
       c.oid::regclass::text, false
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
  AND c.relowner = %(migrator)s::regrole
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('i', 'a') AND c.relkind = 'S')
UNION ALL
SELECT 'FUNCTION', p.oid::regprocedure::text, coalesce(obj_description(p.oid, 'pg_proc') = %(mark)s, false)
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = %(migrator)s::regrole
"""


def _refuse_powerless(cursor: Any) -> None:
    cursor.execute("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = session_user")
    name, is_superuser = cursor.fetchone()
    if not is_superuser:
        raise CannotProvision(
            f"DATABASE_URL logs in as {name!r}, which is not a superuser and cannot make the roles "
            f"{roles.OWNER}, {roles.MIGRATOR}, {roles.APP} and {roles.LOOKUP}. Use the superuser that the "
            "database service created (on Railway: ${{Postgres.DATABASE_URL}})."
        )


def _ensure_role(cursor: Any, role: str, attributes: str, password: str | None = None) -> None:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    verb = sql.SQL("ALTER ROLE" if cursor.fetchone() else "CREATE ROLE")
    statement = sql.SQL("{} {} WITH {} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS").format(
        verb, sql.Identifier(role), sql.SQL(attributes)
    )
    if password is not None:
        statement += sql.SQL(" PASSWORD {}").format(sql.Literal(password))
    cursor.execute(statement)


def _password(login: str) -> str:
    configured = settings.DATABASES["default"]
    if login == roles.APP and configured["USER"] == roles.APP:
        return str(configured["PASSWORD"])  # DATABASE_APP_URL may override the derived one
    return derive_login_password(settings.DATABASE_ADMIN["PASSWORD"], login)


def _grant_rights(cursor: Any, database: str) -> None:
    for template in (
        "REVOKE ALL ON DATABASE {db} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {db} TO {migrator}, {app}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {owner}, {app}, {lookup}",
        "GRANT USAGE, CREATE ON SCHEMA public TO {migrator}",
        # INHERIT so that ALTER TABLE works on what was handed over; the owner itself sees no row.
        "GRANT {owner} TO {migrator} WITH INHERIT TRUE",
        "GRANT {lookup} TO {migrator} WITH INHERIT TRUE",
    ):
        cursor.execute(
            sql.SQL(template).format(
                db=sql.Identifier(database),
                owner=sql.Identifier(roles.OWNER),
                migrator=sql.Identifier(roles.MIGRATOR),
                app=sql.Identifier(roles.APP),
                lookup=sql.Identifier(roles.LOOKUP),
            )
        )


def _grant_siteless(cursor: Any) -> None:
    cursor.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    present = {name for (name,) in cursor.fetchall()}
    for name in sorted(SITELESS.keys() & present):
        cursor.execute(
            sql.SQL("GRANT {} ON TABLE public.{} TO {}").format(
                sql.SQL(", ".join(SITELESS[name].grants)), sql.Identifier(name), sql.Identifier(roles.APP)
            )
        )
    # Due queues join the list of sites; its key is all they may read.
    if "sites_site" in present:
        cursor.execute(f"GRANT SELECT (id, is_active) ON TABLE public.sites_site TO {roles.LOOKUP}")
