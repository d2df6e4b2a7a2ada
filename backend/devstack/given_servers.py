"""Servers that the user already has, named by DATABASE_URL and REDIS_URL when `make up` is called."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from urllib.parse import urlsplit

import psycopg2
import redis

CONNECT_TIMEOUT_S = 5
DEMO_SITE = "DEMO"


class GivenServerError(Exception):
    """It does not answer, refuses, or is nothing to play with; the message says what to do."""


def given_database(source: Mapping[str, str]) -> str:
    """DATABASE_URL when it is set and can be used, else nothing. Raises GivenServerError.

    A demo site comes with an administrator whose password is on the screen, so a database with other sites is refused:
    it may be a real one, and the variable a leftover in the shell.
    """
    url = source.get("DATABASE_URL", "").strip()
    if not url:
        return ""
    try:
        with (
            closing(psycopg2.connect(url, connect_timeout=CONNECT_TIMEOUT_S)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("SELECT to_regclass('public.sites_site') IS NOT NULL")
            codes: list[str] = []
            if cursor.fetchone() == (True,):
                cursor.execute("SELECT code FROM sites_site ORDER BY code")
                codes = [code for (code,) in cursor.fetchall()]
    except psycopg2.Error as error:
        said = (str(error).strip().splitlines() or ["no answer"])[0]
        raise GivenServerError(
            f"DATABASE_URL is set, and {place_of(url)} cannot be used: {said}\nMend it, or unset it: then `make up` "
            "starts a PostgreSQL of its own."
        ) from error
    if codes and DEMO_SITE not in codes:
        raise GivenServerError(
            f"DATABASE_URL is set, and {place_of(url)} holds sites of somebody else ({', '.join(codes[:3])}). "
            "`make up` would add a demo administrator. Name another database, or unset it: then `make up` starts a "
            "PostgreSQL of its own."
        )
    return url


def given_redis(source: Mapping[str, str]) -> str:
    """REDIS_URL when it is set and answers, else nothing. Raises GivenServerError."""
    url = source.get("REDIS_URL", "").strip()
    if not url:
        return ""
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=CONNECT_TIMEOUT_S) as client:
            client.ping()
    except (redis.RedisError, ValueError) as error:
        raise GivenServerError(
            f"REDIS_URL is set, and {place_of(url)} cannot be used: {error}\nMend it, or unset it: then `make up` "
            "starts a server of its own."
        ) from error
    return url


def place_of(url: str) -> str:
    """Where it is, without the login."""
    return urlsplit(url).netloc.rpartition("@")[2] + urlsplit(url).path
