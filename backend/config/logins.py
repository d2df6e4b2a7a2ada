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

ENGINE = "apps.sites.postgresql"
APP_LOGIN = "posx_app"
MIGRATOR_LOGIN = "posx_migrator"
AUDITOR_LOGIN = "posx_auditor"

CONNECT_TIMEOUT_S = 5
# A stuck statement must end before Gunicorn (60 s) or Celery (45 s) kills the process that waits for it.
_APP_TIMEOUTS = "-c statement_timeout=15s -c lock_timeout=5s -c idle_in_transaction_session_timeout=30s"


def derive_login_password(superuser_password: str, login: str) -> str:
    """HKDF-SHA256 (RFC 5869, no salt, one block) of the superuser's password; base64url, 43 characters."""
    key = hmac.digest(bytes(hashlib.sha256().digest_size), superuser_password.encode(), "sha256")
    block = hmac.digest(key, b"posx/" + login.encode() + b"\x01", "sha256")
    return base64.urlsafe_b64encode(block).rstrip(b"=").decode()


def app_database(url: str, app_url: str = "") -> dict[str, Any]:
    """Django's DATABASES entry for web, worker, beat and shell: the app login, with timeouts.

    `app_url` (DATABASE_APP_URL) replaces the derived login altogether.
    """
    return login_database(app_url or url, login=None if app_url else APP_LOGIN, options=_APP_TIMEOUTS)


def auditor_database(url: str) -> dict[str, Any]:
    """The entry for the platform administrator's look at all sites: reads only, and no connection is kept."""
    options = f"{_APP_TIMEOUTS} -c default_transaction_read_only=on"
    return login_database(url, login=AUDITOR_LOGIN, options=options) | {"CONN_MAX_AGE": 0}


def admin_database(url: str) -> dict[str, Any]:
    """The same for DATABASE_URL as it is. Only migrate, provisioning and the doctor may open it."""
    return login_database(url, login=None)


def login_database(url: str, *, login: str | None, options: str = "") -> dict[str, Any]:
    """An entry for `login` on the server of `url` (None: the login in the address itself)."""
    database: dict[str, Any] = {**dj_database_url.parse(url), "ENGINE": ENGINE}
    if login is not None:
        password = unquote(urlsplit(url).password or "")
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
