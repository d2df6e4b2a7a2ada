"""The texts that this process' secret variables can be known by, so that no log shows them."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, unquote, urlsplit

from config.env import VARIABLES, Environment
from config.logins import APP_LOGIN, AUDITOR_LOGIN, MIGRATOR_LOGIN, derive_login_password

# Providers of nodes put the access key into the path; shorter parts are words as "v1" and names of databases.
_KEY_IN_PATH_CHARS = 16
_LINE_OF_PEM_CHARS = 16


def secret_texts(environment: Environment) -> set[str]:
    """Of every variable that the table calls secret: the keys, the passwords and keys within addresses, the lines of
    PEM documents; and the passwords of our own logins.

    What the table itself gives for development is no secret, and would hide ordinary words.
    """
    values = [one for row in VARIABLES if row.secret for one in _each(getattr(environment, row.name))]
    found = {part for value in values for part in _parts(value)}
    if password := unquote(urlsplit(environment.DATABASE_URL).password or ""):
        found |= {derive_login_password(password, it) for it in (APP_LOGIN, MIGRATOR_LOGIN, AUDITOR_LOGIN)}
    return found - {part for row in VARIABLES for part in _parts(row.development)}


def _each(value: object) -> list[str]:
    if isinstance(value, dict):
        return [str(one) for one in value.values()]
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def _parts(value: str) -> Iterator[str]:
    if "-----BEGIN" in value:
        for line in value.replace("\\n", "\n").splitlines():
            if not line.startswith("-----") and len(line) >= _LINE_OF_PEM_CHARS:
                yield line
    elif "://" in value:
        yield from _parts_of_address(value)
    elif value:
        yield value
        if value.startswith("0x"):  # one key, in the two cases that libraries write it in
            yield value[2:]
            yield value[2:].upper()


def _parts_of_address(address: str) -> Iterator[str]:
    parts = urlsplit(address)
    if parts.password:
        yield parts.password
        yield unquote(parts.password)
    if parts.scheme in {"http", "https"}:
        yield from (part for part in parts.path.split("/") if len(part) >= _KEY_IN_PATH_CHARS)
        yield from (text for _name, text in parse_qsl(parts.query))
