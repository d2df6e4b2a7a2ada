"""Makes the logins and rights that tenancy stands on, from whatever DATABASE_URL is. Idempotent.

Everything here runs on a direct connection as DATABASE_URL's own login, which nothing else in POSX may open, or as
the migrator. docs/tenancy.md says what each role is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from django.conf import settings
from psycopg2 import sql

from apps.sites import roles
from apps.sites.handover import hand_over_as
from config.logins import LOGIN_TIMEOUTS_S, derive_login_password

# Advisory locks belong to one database and roles to the cluster, so everybody locks in this one.
_LOCK_DATABASE = "postgres"
LOCK_KEY = 0x504F5358  # "POSX"
_FIRST_WITH_INHERIT_OPTION = 160000
# libpq gives no SQLSTATE for a connection that was never made; these are the server's words for a wrong address.
_REFUSALS = ("authentication failed", "does not exist", "no pg_hba.conf entry", "no password supplied")


class CannotProvision(RuntimeError):
    """DATABASE_URL's login may not make the roles, and nobody has made them by hand."""


@contextmanager
def cluster_lock() -> Iterator[None]:
    """Hold the cluster-wide lock under which roles change and migrations run; waits for another release.

    Two concurrent ALTER ROLE fail with "tuple concurrently updated", and replicas start at the same moment.
    """
    with closing(_lock_connection()) as holder, holder.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])
        yield


def admin_connection(database: str | None = None) -> Any:
    """A psycopg2 connection in autocommit as DATABASE_URL's login."""
    admin = settings.DATABASE_ADMIN
    return _connect({**admin, "NAME": database or admin["NAME"]})


def server_missing() -> str:
    """Why DATABASE_URL cannot be opened yet, or nothing.

    Raises CannotProvision for what waiting does not mend: a server that answers and refuses this login.
    """
    try:
        admin_connection().close()
    except psycopg2.OperationalError as error:
        said = (str(error).strip().splitlines() or ["no answer"])[0]
        if any(words in said for words in _REFUSALS):
            raise CannotProvision(f"DATABASE_URL is refused by the server: {said}") from error
        return f"Database connection failed: {said}"
    return ""


def migrator_database() -> dict[str, Any]:
    """Django's database settings for the migrator login, where DATABASE_URL points."""
    admin = settings.DATABASE_ADMIN
    password = derive_login_password(admin["PASSWORD"], roles.MIGRATOR)
    return {**admin, "USER": roles.MIGRATOR, "PASSWORD": password}


def provision_roles() -> str:
    """Make or correct roles, memberships and rights; returns one sentence on what was done.

    Raises CannotProvision with what to do when DATABASE_URL's login may not and they are not there.
    """
    with closing(admin_connection()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = session_user")
        is_superuser, may_create_roles = cursor.fetchone()
        if is_superuser or may_create_roles:
            for statement in _statements(cursor, correct_attributes=is_superuser):
                cursor.execute(statement)
            return "Database logins are in place."
        if _made_by_hand():
            return "Database logins were made by hand and work."
        raise CannotProvision(
            f"DATABASE_URL logs in as {settings.DATABASE_ADMIN['USER']!r}, which is neither superuser nor may create "
            f"roles, so {roles.OWNER}, {roles.MIGRATOR}, {roles.APP}, {roles.AUDITOR} and {roles.LOOKUP} cannot be "
            "made. Either use the superuser that the database service created (on Railway: "
            "${{Postgres.DATABASE_URL}}), or let an administrator of the database run the output of "
            "`python manage.py provision_roles --sql` and start again."
        )


def provision_script() -> str:
    """The same as SQL text, for an administrator to run by hand. It holds the logins' passwords."""
    with closing(admin_connection()) as connection, connection.cursor() as cursor:
        statements = _statements(cursor, correct_attributes=True)
        return "\n".join(statement.as_string(connection) + ";" for statement in statements)


def hand_over() -> list[str]:
    """Give what the migrator made to its final owner, and the app login its rights on site-less tables.

    Runs as the migrator, a member of both owners. Touches only objects that it still owns, so that a later release
    locks no full table. Returns the names of what changed hands.
    """
    with closing(_connect(migrator_database())) as connection, connection.cursor() as cursor:
        return hand_over_as(cursor)


def _statements(cursor: Any, *, correct_attributes: bool) -> list[sql.Composable]:
    cursor.execute("SELECT rolname FROM pg_roles")
    existing = {name for (name,) in cursor.fetchall()}
    made: list[sql.Composable] = []
    for role in roles.ALL:
        is_login = role in roles.LOGINS
        verb = "ALTER" if role in existing else "CREATE"
        statement = sql.SQL(f"{verb} ROLE {{}} WITH {'LOGIN' if is_login else 'NOLOGIN'}").format(
            sql.Identifier(role)
        )
        if correct_attributes or verb == "CREATE":
            statement += sql.SQL(" NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS")
        if is_login:
            statement += sql.SQL(" PASSWORD {}").format(sql.Literal(_password(role)))
        made.append(statement)
    if correct_attributes:
        # Every process shares this login, so each could read the others' statements in pg_stat_activity, and
        # psycopg2 writes parameters into them. Only a superuser may say so; the login itself cannot undo it.
        made.append(sql.SQL("ALTER ROLE {} SET track_activities = off").format(sql.Identifier(roles.APP)))
    made += [
        sql.SQL("ALTER ROLE {} SET {} = {}").format(
            sql.Identifier(roles.APP), sql.Identifier(name), sql.Literal(f"{value_s}s")
        )
        for name, value_s in LOGIN_TIMEOUTS_S.items()
    ]
    named = {name: sql.Identifier(role) for name, role in roles.BY_WORD.items()}
    named["db"] = sql.Identifier(settings.DATABASE_ADMIN["NAME"])
    inherits = " WITH INHERIT TRUE" if cursor.connection.server_version >= _FIRST_WITH_INHERIT_OPTION else ""
    rights = (
        "REVOKE ALL ON DATABASE {db} FROM PUBLIC",
        "GRANT CONNECT ON DATABASE {db} TO {migrator}, {app}, {auditor}",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        "GRANT USAGE ON SCHEMA public TO {app}, {auditor}",
        # An owner must be able to create where its objects lie, or nothing can be handed to it.
        "GRANT USAGE, CREATE ON SCHEMA public TO {migrator}, {owner}, {lookup}",
        # INHERIT so that ALTER TABLE works on what was handed over; the owner itself sees no row.
        "GRANT {owner} TO {migrator}" + inherits,
        "GRANT {lookup} TO {migrator}" + inherits,
    )
    return made + [sql.SQL(template).format(**named) for template in rights]


def _password(login: str) -> str:
    configured = settings.DATABASES["default"]
    if login == roles.APP and configured["USER"] == roles.APP:
        return str(configured["PASSWORD"])  # DATABASE_APP_URL may override the derived one
    return derive_login_password(settings.DATABASE_ADMIN["PASSWORD"], login)


def _made_by_hand() -> bool:
    try:
        with closing(_connect(migrator_database())) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_has_role(%s, 'MEMBER') AND pg_has_role(%s, 'MEMBER')", [roles.OWNER, roles.LOOKUP]
            )
            return bool(cursor.fetchone()[0])
    except psycopg2.Error:
        return False  # no such login, another password, or no such role: the administrator is asked


def _lock_connection() -> Any:
    try:
        return admin_connection(_LOCK_DATABASE)
    except psycopg2.OperationalError:
        # A server that hides `postgres` from this login: then releases of one database wait for each other only.
        return admin_connection()


def _connect(database: dict[str, Any]) -> Any:
    connection = psycopg2.connect(
        dbname=database["NAME"],
        user=database["USER"],
        password=database["PASSWORD"],
        host=database["HOST"],
        port=database["PORT"] or None,
        connect_timeout=5,
        **{key: value for key, value in database.get("OPTIONS", {}).items() if key.startswith("ssl")},
    )
    connection.autocommit = True
    return connection
