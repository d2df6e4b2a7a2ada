"""Django's PostgreSQL backend with three guards: the login, the scope, and the named error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError
from django.db.backends.postgresql import base, operations

from apps.sites import auditor, roles
from apps.sites.scope import SITE_SETTING, SiteScopeMissing

_LOGIN_SQL = """
SELECT r.rolname, r.rolsuper, r.rolbypassrls,
       EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p')
                 AND pg_catalog.pg_has_role(session_user, c.relowner, 'MEMBER')),
       EXISTS (SELECT FROM pg_catalog.pg_roles b WHERE (b.rolsuper OR b.rolbypassrls)
                 AND b.rolname <> r.rolname AND pg_catalog.pg_has_role(session_user, b.oid, 'MEMBER'))
FROM pg_catalog.pg_roles r WHERE r.rolname = session_user
"""
_MEANING = (
    "is a superuser",
    "has BYPASSRLS",
    "owns tables",
    "is a member of a role that bypasses row security",
)


class UnsafeLogin(ImproperlyConfigured):
    """The process is logged in as a role for which row security does not hold."""


class DatabaseOperations(operations.DatabaseOperations):
    compiler_module = "apps.sites.postgresql.compiler"


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = DatabaseOperations

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute_wrappers.append(_name_missing_scope)
        if self.is_auditor:
            self.execute_wrappers.append(_refuse_unrecorded)

    @property
    def is_migrator(self) -> bool:
        """Whether this connection is our migrate command's."""
        return bool(self.settings_dict["USER"] == roles.MIGRATOR)

    @property
    def is_auditor(self) -> bool:
        """Whether this connection shows every site, to be read in a recorded look."""
        return bool(self.alias == auditor.ALIAS)

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        made = super().get_new_connection(conn_params)
        if not self.is_migrator:
            try:
                refuse_unsafe_login(made)
                self._refuse_other_login(made)
            except BaseException:
                made.close()
                raise
        return made

    def _refuse_other_login(self, raw_connection: Any) -> None:
        # The auditor's login under another alias would be held by neither scope nor look.
        login = raw_connection.info.user
        if (login == roles.AUDITOR) != self.is_auditor:
            raise UnsafeLogin(f"Database login {login!r} may not serve the connection {self.alias!r}.")


def refuse_unsafe_login(raw_connection: Any) -> None:
    """Raise UnsafeLogin when row security would not bind this psycopg2 connection's login."""
    with raw_connection.cursor() as cursor:
        cursor.execute(_LOGIN_SQL)
        name, *faults = cursor.fetchone()
    raw_connection.rollback()
    found = [meaning for meaning, holds in zip(_MEANING, faults, strict=True) if holds]
    if found:
        raise UnsafeLogin(
            f"Database login {name!r} {' and '.join(found)}, so row-level security does not bind it. "
            "Run `python manage.py migrate` once with DATABASE_URL as it is; it makes the login 'posx_app'. "
            "Then leave DATABASE_APP_URL unset, or point it at a login that is neither owner nor superuser."
        )


def _refuse_unrecorded(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    auditor.require_look()
    return execute(sql, params, many, context)


def _name_missing_scope(
    execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    try:
        return execute(sql, params, many, context)
    except DatabaseError as error:
        code = getattr(error.__cause__, "pgcode", None)
        # 42704: never set on this connection; 22P02: '' is what remains after a transaction-local value.
        unset = code == "42704" and SITE_SETTING in str(error)
        emptied = code == "22P02" and 'uuid: ""' in str(error)
        if unset or emptied:
            raise SiteScopeMissing("Rows of a site are only reachable inside site_scope().") from error
        raise
