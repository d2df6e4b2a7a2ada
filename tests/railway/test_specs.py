"""The graph's variables become those of a service as Railway keeps them."""

from __future__ import annotations

from typing import Any

from devstack.railway.project import DOMAIN
from devstack.railway.specs import specs_of_graph
from devstack.railway.variables import resolve


def service(name: str, variables: dict[str, Any]) -> dict[str, Any]:
    deploy = {"startCommand": "exec gunicorn"}
    return {"type": "service", "name": name, "deploy": deploy, "variables": variables}


GRAPH = {
    "resources": [
        service("backend", {name: {"type": "preserve"} for name in ("ALLOWED_HOSTS", "WEB_CONCURRENCY")}),
        service(
            "celery-worker",
            {
                name: {"type": "reference", "resource": "service.backend", "output": name}
                for name in ("ALLOWED_HOSTS", "WEB_CONCURRENCY")
            },
        ),
    ]
}


def test_what_was_never_set_by_hand_is_no_variable_of_its_own_service() -> None:
    """Gunicorn would refuse to start with an empty WEB_CONCURRENCY."""
    specs = specs_of_graph(GRAPH, kept={"backend": {"ALLOWED_HOSTS": DOMAIN}})

    assert specs["backend"].variables == {"ALLOWED_HOSTS": DOMAIN}


def test_what_was_never_set_by_hand_is_an_empty_string_where_it_is_referred_to() -> None:
    specs = specs_of_graph(GRAPH, kept={"backend": {"ALLOWED_HOSTS": DOMAIN}})

    found = resolve("celery-worker", {name: spec.variables for name, spec in specs.items()})
    assert found == {"ALLOWED_HOSTS": DOMAIN, "WEB_CONCURRENCY": ""}
