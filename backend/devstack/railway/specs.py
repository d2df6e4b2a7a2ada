"""What a service of the project is told to do, from each of the places that can tell it."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devstack.supervisor import procfile_commands

# Railway's own, when nothing is set.
DRAINING_DEFAULT_S = 0

# The start commands of the user's own manual, letter by letter.
SEED = {
    "backend": (
        "cd backend && python manage.py collectstatic --noinput && python manage.py migrate --noinput && "
        "gunicorn config.wsgi:application --bind 0.0.0.0:$PORT --workers $WEB_CONCURRENCY --threads $THREADS "
        "--timeout 60 --access-logfile - --error-logfile -"
    ),
    "celery-worker": (
        "cd backend && celery -A config worker --loglevel=info --concurrency=2 --max-tasks-per-child=100"
    ),
    "celery-beat": (
        "cd backend && celery -A config beat --loglevel=info "
        "--scheduler django_celery_beat.schedulers:DatabaseScheduler"
    ),
}
PROCFILE_NAMES = {"backend": "web", "celery-worker": "worker", "celery-beat": "beat"}


@dataclass(frozen=True)
class ServiceSpec:
    """One service as Railway runs it. `variables` still hold references."""

    name: str
    start: str
    variables: Mapping[str, str] = field(default_factory=dict)
    pre_deploy: tuple[str, ...] = ()
    healthcheck_path: str | None = None
    draining_s: int = DRAINING_DEFAULT_S


def evaluate(repository: Path) -> dict[str, Any]:
    """The graph that railway-sdk makes of .railway/railway.py, as the Railway CLI gets it."""
    import railway_sdk

    path = repository / ".railway" / "railway.py"
    spec = importlib.util.spec_from_file_location("posx_railway", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = railway_sdk.create_railway_context({"environment": "production", "command": "plan"})
    graph: dict[str, Any] = module.main(context).to_graph()
    return graph


def specs_of_graph(
    graph: Mapping[str, Any], *, kept: Mapping[str, Mapping[str, str]]
) -> dict[str, ServiceSpec]:
    """The services of a graph that have a start command; `kept` are values that preserve() keeps, by service."""
    return {
        node["name"]: _spec_of_node(node, kept.get(node["name"], {}))
        for node in graph["resources"]
        if node["type"] == "service"
    }


def specs_of_commands(
    commands: Mapping[str, str], variables: Mapping[str, str], *, draining_s: int, healthcheck_path: str
) -> dict[str, ServiceSpec]:
    """The same from bare start commands with one set of variables; only `backend` is asked for its health."""
    return {
        name: ServiceSpec(
            name=name,
            start=command,
            variables=variables,
            healthcheck_path=healthcheck_path if name == "backend" else None,
            draining_s=draining_s,
        )
        for name, command in commands.items()
    }


def procfile_services(repository: Path) -> dict[str, str]:
    """The Procfile's lines by the service that runs each."""
    lines = procfile_commands(repository / "Procfile")
    return {service: lines[name] for service, name in PROCFILE_NAMES.items()}


def _spec_of_node(node: Mapping[str, Any], kept: Mapping[str, str]) -> ServiceSpec:
    deploy = node["deploy"]
    return ServiceSpec(
        name=node["name"],
        start=deploy["startCommand"],
        variables={
            name: _text(name, given, kept)
            for name, given in node["variables"].items()
            # Nothing to keep is no variable; only a reference to it is an empty string.
            if given["type"] != "preserve" or name in kept
        },
        pre_deploy=tuple(deploy.get("preDeployCommand") or ()),
        healthcheck_path=deploy.get("healthcheckPath"),
        draining_s=deploy.get("drainingSeconds", DRAINING_DEFAULT_S),
    )


def _text(name: str, given: Mapping[str, Any], kept: Mapping[str, str]) -> str:
    """A variable of the graph as the dashboard would show it."""
    match given["type"]:
        case "literal":
            return str(given["value"])
        case "reference":
            return "${{%s.%s}}" % (given["resource"].partition(".")[2], given["output"])  # noqa: UP031 - braces
        case "sharedReference":
            return "${{shared.%s}}" % given["name"]  # noqa: UP031 - braces
        case "preserve":
            return kept[name]
    raise ValueError(f"{name}: a variable of type {given['type']!r} is unknown here")
