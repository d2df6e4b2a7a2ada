"""Twins that stand for a whole module: the walk must not change them, so they need not be made for each case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests.databases import Cleaner
from tests.isolation.doors.twins import Twin, make_twin
from tests.isolation.doors.witness import Witness


@dataclass(frozen=True)
class Standing:
    """Sites A (``here``) and B (``there``), and the texts that only rows of B hold."""

    here: Twin
    there: Twin
    marks: frozenset[str]
    witness: Witness


def stand(connection: Any) -> Standing:
    """Make the twins, in the database of ``default``; the connection is the superuser's to the same one."""
    here, there = make_twin("HERE"), make_twin("THERE")
    witness = Witness(connection)
    marks = witness.marks(there.site.id, but_not_of=here.site.id)
    witness.look(there.site.id)
    return Standing(here, there, marks, witness)


@pytest.fixture(scope="module")
def _module_database(_cleaner: Cleaner, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    _cleaner.clean()
    with django_db_blocker.unblock():
        yield
        connections.close_all()
    _cleaner.clean()


@pytest.fixture(scope="module")
def standing(_module_database: None, _superuser_connection: Any) -> Standing:
    """The twins of the module. Never together with ``database`` in one module, which would remove them."""
    return stand(_superuser_connection)


@pytest.fixture
def untouched(standing: Standing) -> Iterator[Standing]:
    """The twins; afterwards every row of B must be as it was after the test before, which may not have used this."""
    yield standing
    before, now = standing.witness.seen, standing.witness.look(standing.there.site.id)
    assert now == before
