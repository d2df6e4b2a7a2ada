"""Which database login does what, and how its password comes from the one that Railway gives.

Railway's DATABASE_URL is the superuser, and row security does not bind superusers. So the processes log in as
`posx_app`, migrations as `posx_migrator`, each with a password derived from the superuser's. No Django here:
migrate and the embedded servers use this before settings exist.
"""

import base64
import hashlib
import hmac
from typing import Any
from urllib.parse import unquote, urlsplit

import dj_database_url

from config.processes import BEAT, COMMAND, WEB, WORKER

ENGINE = "apps.sites.postgresql"
APP_LOGIN = "posx_app"
MIGRATOR_LOGIN = "posx_migrator"
AUDITOR_LOGIN = "posx_auditor"

CONNECT_TIMEOUT_S = 5
STATEMENT, LOCK, IDLE = "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"
# In seconds, by what the process is. A stuck statement must end before whoever waits for it kills the process:
# Gunicorn after 60 s, at a stop after 25; Celery's soft limit after 40. Beat's lease runs 4 s, so a slow answer is
# worth nothing. A person's shell waits longer, but may not keep others waiting for what it has locked.
TIMEOUTS_S = {
    WEB: {STATEMENT: 15, LOCK: 5, IDLE: 30},
    WORKER: {STATEMENT: 30, LOCK: 5, IDLE: 30},
    BEAT: {STATEMENT: 5, LOCK: 3, IDLE: 10},
    COMMAND: {STATEMENT: 300, LOCK: 5, IDLE: 60},
}
# What the login has by itself: behind a transaction pooler nothing that a session sets at its start arrives.
LOGIN_TIMEOUTS_S = TIMEOUTS_S[WORKER]


def derive_login_password(superuser_password: str, login: str) -> str:
    """HKDF-SHA256 (RFC 5869, no salt, one block) of the superuser's password; base64url, 43 characters."""
    key = hmac.digest(bytes(hashlib.sha256().digest_size), superuser_password.encode(), "sha256")
    block = hmac.digest(key, b"posx/" + login.encode() + b"\x01", "sha256")
    return base64.urlsafe_b64encode(block).rstrip(b"=").decode()


def app_database(url: str, app_url: str = "", *, kind: str = COMMAND) -> dict[str, Any]:
    """Django's DATABASES entry for web, worker, beat and shell: the app login, with the timeouts of `kind`.

    `app_url` (DATABASE_APP_URL) is where it connects instead: with the login in it, or, for a pooler's bare address,
    with the derived one. Cursors of the server outlive a transaction, which a pooler's connection does not.
    """
    given = urlsplit(app_url or url)
    is_derived = not app_url or not given.username
    database = login_database(
        app_url or url, login=APP_LOGIN if is_derived else None, options=_timeouts(kind), secret_of=url
    )
    database["OPTIONS"]["application_name"] = f"posx-{kind}"
    return database | ({"DISABLE_SERVER_SIDE_CURSORS": True} if app_url else {})


def auditor_database(url: str) -> dict[str, Any]:
    """The entry for the platform administrator's look at all sites: reads only, and no connection is kept."""
    options = f"{_timeouts(WEB)} -c default_transaction_read_only=on"
    return login_database(url, login=AUDITOR_LOGIN, options=options) | {"CONN_MAX_AGE": 0}


def admin_database(url: str) -> dict[str, Any]:
    """The same for DATABASE_URL as it is. Only migrate, provisioning and the doctor may open it."""
    return login_database(url, login=None)


def login_database(url: str, *, login: str | None, options: str = "", secret_of: str = "") -> dict[str, Any]:
    """An entry for `login` on the server of `url` (None: the login in the address itself).

    Its password comes from the one in `secret_of`, or in `url` itself.
    """
    database: dict[str, Any] = {**dj_database_url.parse(url), "ENGINE": ENGINE}
    if login is not None:
        password = unquote(urlsplit(secret_of or url).password or "")
        database |= {"USER": login, "PASSWORD": derive_login_password(password, login)}
    given: dict[str, Any] = database.get("OPTIONS") or {}
    merged = " ".join(part for part in (options, str(given.get("options", ""))) if part)
    database["OPTIONS"] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "posx",
        **given,
        **({"options": merged} if merged else {}),
    }
    database |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    return database


def _timeouts(kind: str) -> str:
    return " ".join(f"-c {name}={value_s}s" for name, value_s in TIMEOUTS_S[kind].items())
