"""Two sites with rows of their own, and a scratch database in which a guard can be taken away."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection

from apps.sites.models import Asset, Site
from tests.databases import connect_as_superuser
from tests.factories import make_asset, make_site
from tests.servers import clone_template, database_url


@dataclass(frozen=True)
class TwoSites:
    """Site A (`here`) and site B (`there`), each with one asset."""

    here: Site
    there: Site
    mine: Asset
    theirs: Asset


def make_two_sites() -> TwoSites:
    """In whatever database the default connection points at."""
    here, there = make_site("NA"), make_site("ASIA")
    return TwoSites(here, there, make_asset(here, "MINE"), make_asset(there, "THEIRS"))


@pytest.fixture
def sites(database: None) -> TwoSites:
    return make_two_sites()


@pytest.fixture
def scratch_name(database: None) -> Iterator[str]:
    """The name of a migrated database of this test's own."""
    name = clone_template(f"posx_isolation_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    yield name
    admin = connect_as_superuser(os.environ["DATABASE_URL"])
    with admin.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    admin.close()


@pytest.fixture
def spoil(scratch_name: str) -> Iterator[Callable[[str], None]]:
    """`spoil(sql)` runs as the superuser in the scratch database; Django's connection then points there."""
    admin = connect_as_superuser(database_url(scratch_name))
    with _default_connection_to(scratch_name), admin.cursor() as cursor:
        yield cursor.execute
    admin.close()


@contextmanager
def _default_connection_to(name: str) -> Iterator[None]:
    connection.close()
    kept: dict[str, Any] = connection.settings_dict
    connection.settings_dict = {**kept, "NAME": name}
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict = kept
