"""The graph that Railway's SDK makes of .railway/railway.py: five services, and nothing dropped."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest

from config.env import VARIABLES
from devstack.railway.specs import evaluate, procfile_services
from tests.railway.schema import BUILD, DEPLOY
from tests.servers import REPOSITORY

OURS = ("backend", "celery-worker", "celery-beat")
# Set by Railway itself, on each service that they are true for.
RAILWAYS_OWN = {"RAILWAY_PUBLIC_DOMAIN", "RAILWAY_PRIVATE_DOMAIN", "RAILWAY_GIT_COMMIT_SHA"}


@pytest.fixture(scope="module")
def nodes() -> dict[str, Any]:
    return {node["name"]: node for node in evaluate(REPOSITORY)["resources"]}


def test_five_services_and_redis_data(nodes: dict[str, Any]) -> None:
    kinds = {name: node["type"] for name, node in nodes.items()}

    assert kinds == {
        "Postgres": "database",
        "redis-data": "volume",
        "Redis": "service",
        **dict.fromkeys(OURS, "service"),
    }
    assert nodes["Postgres"]["engine"] == "postgres"


def test_only_the_backend_is_asked_for_its_health_and_migrates(nodes: dict[str, Any]) -> None:
    backend = nodes["backend"]["deploy"]

    assert (backend["healthcheckPath"], backend["healthcheckTimeout"]) == ("/health/", 300)
    assert backend["preDeployCommand"] == ["cd backend && python manage.py migrate --noinput"]
    for name in ("celery-worker", "celery-beat", "Redis"):
        assert not {"healthcheckPath", "preDeployCommand"} & nodes[name]["deploy"].keys(), name


def test_the_start_commands_are_the_procfiles(nodes: dict[str, Any]) -> None:
    assert {name: nodes[name]["deploy"]["startCommand"] for name in OURS} == procfile_services(REPOSITORY)


@pytest.mark.parametrize(
    ("service", "memory_mb", "draining_s"),
    [("backend", 512, 60), ("celery-worker", 512, 60), ("celery-beat", 256, 60), ("Redis", 256, 10)],
)
def test_limits_and_time_to_stop(
    nodes: dict[str, Any], service: str, memory_mb: int, draining_s: int
) -> None:
    deploy = nodes[service]["deploy"]

    assert deploy["limitOverride"] == {"containers": {"memoryBytes": memory_mb * 1_000_000}}
    assert deploy["drainingSeconds"] == draining_s
    assert deploy["restartPolicyType"] == "ALWAYS"
    assert deploy.get("overlapSeconds") == (20 if service == "backend" else None)


def test_every_key_is_one_that_railway_documents(nodes: dict[str, Any]) -> None:
    for name in (*OURS, "Redis"):
        jsonschema.validate(nodes[name]["deploy"], DEPLOY)
        jsonschema.validate(nodes[name].get("build", {}), BUILD)


def test_redis_keeps_its_queue(nodes: dict[str, Any]) -> None:
    redis = nodes["Redis"]

    words = redis["deploy"]["startCommand"]
    assert "--maxmemory-policy noeviction" in words
    assert "--appendonly yes" in words
    assert "--requirepass ${REDIS_PASSWORD:?" in words
    (mount,) = redis["volumeAttachments"].values()
    assert mount == {"volume": "volume.redis-data", "mountPath": "/data", "volumeConfig": {}}
    assert redis["variables"]["REDIS_PASSWORD"] == {"type": "preserve"}


def test_addresses_are_references(nodes: dict[str, Any]) -> None:
    for name in OURS:
        variables = nodes[name]["variables"]
        database = {"type": "reference", "resource": "database.Postgres", "output": "DATABASE_URL"}
        queue = {"type": "reference", "resource": "service.Redis", "output": "REDIS_URL"}
        assert variables["DATABASE_URL"] == database
        assert {variables[key]["type"] for key in ("REDIS_URL", "CELERY_BROKER_URL")} == {"reference"}
        assert variables["CELERY_BROKER_URL"] == variables["CELERY_RESULT_BACKEND"] == queue
        assert variables["DJANGO_SETTINGS_MODULE"] == {"type": "literal", "value": "config.settings.railway"}


def test_every_variable_that_is_read_is_kept_or_set(nodes: dict[str, Any]) -> None:
    """What is left out is deleted on Railway: a variable of config/env.py belongs into KEPT_ON_BACKEND."""
    read = {variable.name for variable in VARIABLES} - RAILWAYS_OWN
    for name in OURS:
        used = set(re.findall(r"\$\{([A-Z_]+)", nodes[name]["deploy"]["startCommand"])) - {"PORT"}
        assert (read | used) - nodes[name]["variables"].keys() == set(), name


def test_no_secret_is_written_down_and_each_is_set_in_one_place(nodes: dict[str, Any]) -> None:
    for secret in [variable.name for variable in VARIABLES if variable.secret]:
        if secret in {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}:
            continue
        assert nodes["backend"]["variables"][secret] == {"type": "preserve"}
        reference = {"type": "reference", "resource": "service.backend", "output": secret}
        assert nodes["celery-worker"]["variables"][secret] == reference
        assert nodes["celery-beat"]["variables"][secret] == reference


def test_an_unknown_key_is_dropped_in_silence_which_is_why_the_graph_is_checked() -> None:
    from railway_sdk import redis, service

    assert "deploy" not in redis("Redis", start="redis-server --appendonly yes").to_graph()
    assert "drainingSeconds" not in str(service("web", drainingSeconds=60).to_graph())
