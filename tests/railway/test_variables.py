"""References between services are filled in as Railway does it, faults included."""

from __future__ import annotations

from devstack.railway.variables import resolve

SERVICES = {
    "Postgres": {"DATABASE_URL": "postgresql://${{PGUSER}}@db/railway", "PGUSER": "postgres"},
    "backend": {
        "DATABASE_URL": "${{Postgres.DATABASE_URL}}",
        "SECRET_KEY": "${{shared.SECRET_KEY}}",
        "WRONG": "${{PostgreSQL.DATABASE_URL}}",
        "CIRCLE": "${{backend.CIRCLE}}",
        "SHELL": "${PORT:-8000}",
    },
}


def test_references_lead_to_services_shared_variables_and_on() -> None:
    found = resolve("backend", SERVICES, {"SECRET_KEY": "k"})

    assert found["DATABASE_URL"] == "postgresql://postgres@db/railway"
    assert found["SECRET_KEY"] == "k"
    assert found["SHELL"] == "${PORT:-8000}"


def test_a_bad_reference_is_an_empty_string() -> None:
    found = resolve("backend", SERVICES)

    assert (found["WRONG"], found["SECRET_KEY"], found["CIRCLE"]) == ("", "", "")
