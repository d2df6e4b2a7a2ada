"""From an empty project to a finished sale, by each place that may tell Railway what to start."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TextIO

from devstack.environment import REPOSITORY
from devstack.railway.build import build_image
from devstack.railway.checks import Checks
from devstack.railway.deployment import Deployment
from devstack.railway.nixpacks import plan_of
from devstack.railway.reading import applied_once, speak_json, stopped_by_itself, wait_for_words
from devstack.railway.specs import (
    SEED,
    ServiceSpec,
    evaluate,
    procfile_services,
    specs_of_commands,
    specs_of_graph,
)
from devstack.railway.surroundings import COMMIT, Surroundings
from devstack.story import tell_sale

LAYERS = REPOSITORY / ".devstack" / "railway-layers"
REPLICAS = 2
READY_TIMEOUT_S = 120.0
# The line by which a service without a health check says that it works.
READY = {"celery-worker": "ready.", "celery-beat": "beat: leading"}
# As the user's manual sets them on each service.
SEEDS_VARIABLES = {
    "DJANGO_SETTINGS_MODULE": "config.settings.railway",
    "DATABASE_URL": "${{Postgres.DATABASE_URL}}",
    "REDIS_URL": "${{Redis.REDIS_URL}}",
    "CELERY_BROKER_URL": "${{Redis.REDIS_URL}}",
    "CELERY_RESULT_BACKEND": "${{Redis.REDIS_URL}}",
    "WEB_CONCURRENCY": "2",
    "THREADS": "2",
}
# Every variable of the Procfile has a default, also for one that is set and empty, as a misspelt reference is.
EMPTY = dict.fromkeys(("WEB_CONCURRENCY", "THREADS", "WORKER_CONCURRENCY", "GUNICORN_TIMEOUT"), "")


class EmulatedRun:
    """One project below `home`. Leaving it stops every process and removes PostgreSQL's data."""

    def __init__(self, home: Path, checks: Checks) -> None:
        self._home, self._checks = home, checks
        self._cleanup = ExitStack()

    def __enter__(self) -> EmulatedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cleanup.close()

    def tell(self, output: TextIO) -> None:
        """Run every check in order; raises what the first failing one met."""
        check = self._checks.check
        with check("Nixpacks' phases build the image"):
            image = build_image(
                REPOSITORY,
                self._home / "build",
                plan_of(REPOSITORY),
                variables={"RAILWAY_GIT_COMMIT_SHA": COMMIT},
                layers=LAYERS,
            )
        with check("PostgreSQL (superuser, password, TCP), Redis, edge and sandboxes start"):
            around = Surroundings(self._home, image, self._cleanup)
        self._seed(around)
        self._procfile(around)
        self._railway_py(around, output)

    def _seed(self, around: Surroundings) -> None:
        """The first deployment is the manual's own: nothing is in the database, and everything starts at once."""
        specs = _bare(SEED, {**around.by_hand, **SEEDS_VARIABLES})
        web = [around.project.deploy(specs["backend"]) for _ in range(REPLICAS)]
        others = {name: around.project.deploy(specs[name]) for name in READY}
        with self._checks.check(
            f"seed: {REPLICAS} backends, worker and beat start at once; the backends migrate once"
        ):
            with around.roles_held() as wait_for_callers:
                for each in (*web, *others.values()):
                    each.launch()
                for each in web:
                    wait_for_words(each, "manage.collectstatic", READY_TIMEOUT_S)
                wait_for_callers(REPLICAS, READY_TIMEOUT_S)
                for each in others.values():
                    wait_for_words(each, "Waiting for ", READY_TIMEOUT_S)
            for each in web:
                each.wait_healthy(READY_TIMEOUT_S)
            applied_once(web)
        self._ready("seed", others)
        self._end("seed", {"backend": web[0], "backend, second replica": web[1], **others})

    def _procfile(self, around: Surroundings) -> None:
        specs = _bare(procfile_services(REPOSITORY), {**around.by_hand, **SEEDS_VARIABLES, **EMPTY})
        running = {name: around.project.deploy(spec).launch() for name, spec in specs.items()}
        with self._checks.check("Procfile: backend: /health/ answers 200, with empty variables too"):
            running["backend"].wait_healthy(READY_TIMEOUT_S)
        self._ready("Procfile", running)
        self._end("Procfile", running)

    def _railway_py(self, around: Surroundings, output: TextIO) -> None:
        specs = specs_of_graph(evaluate(REPOSITORY), kept={"backend": around.by_hand})
        with self._checks.check("railway.py: backend: pre-deploy migrates, /health/ answers 200"):
            running = {
                name: around.project.deploy(specs[name], specs).launch() for name in ("backend", *READY)
            }
            running["backend"].wait_healthy(READY_TIMEOUT_S)
            around.edge.target = running["backend"].url
        self._ready("railway.py", running)
        with self._checks.check("railway.py: the backend's shell makes the demo site"):
            told = running["backend"].shell(
                "cd backend && python manage.py seed_demo --json --allow-deployed"
            )
            around.stack.seed.update(json.loads(told.splitlines()[-1]))
        with self._checks.check("railway.py: one sale, from checkout to tokens paid out, through the edge"):
            tell_sale(around.stack, output)
        self._end("railway.py", running)

    def _ready(self, origin: str, running: Mapping[str, Deployment]) -> None:
        for name, words in READY.items():
            with self._checks.check(f"{origin}: {name}: starts and says {words!r}"):
                wait_for_words(running[name], words, READY_TIMEOUT_S)

    def _end(self, origin: str, running: Mapping[str, Deployment]) -> None:
        """As when Railway replaces each container."""
        with self._checks.check(f"{origin}: each stops by itself within its draining time"):
            with ThreadPoolExecutor(len(running)) as pool:
                stops = dict(zip(running, pool.map(Deployment.stop, running.values()), strict=True))
            stopped_by_itself(stops)
        for name, deployment in running.items():
            with self._checks.check(f"{origin}: {name}: every line is JSON with its level, none on stderr"):
                speak_json(deployment)


def _bare(commands: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, ServiceSpec]:
    """Start commands with railway.json's other settings."""
    deploy = json.loads((REPOSITORY / "railway.json").read_text())["deploy"]
    return specs_of_commands(
        commands, variables, draining_s=deploy["drainingSeconds"], healthcheck_path="/health/"
    )
