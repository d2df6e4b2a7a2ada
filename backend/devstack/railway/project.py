"""A Railway project on this machine: what PostgreSQL and Redis offer to others, and deployments."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from devstack.railway.build import Image
from devstack.railway.deployment import Deployment
from devstack.railway.specs import ServiceSpec
from devstack.railway.variables import resolve

DOMAIN = "posx-backend-production.up.railway.app"


def postgres_variables(url: str) -> dict[str, str]:
    """What Railway's PostgreSQL service offers to others; its login is the superuser."""
    parts = urlsplit(url)
    return {
        "DATABASE_URL": url,
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": unquote(parts.username or ""),
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.strip("/"),
    }


def redis_variables(url: str) -> dict[str, str]:
    """What Railway's Redis service offers to others."""
    parts = urlsplit(url)
    return {
        "REDIS_URL": url,
        "REDISHOST": parts.hostname or "",
        "REDISPORT": str(parts.port or 6379),
        "REDISUSER": "default",
        "REDISPASSWORD": unquote(parts.password or ""),
    }


class Project:
    """Deploys services from one image. `deploy` returns the running container; `stop` kills what is left."""

    def __init__(
        self,
        image: Image,
        home: Path,
        *,
        offered: Mapping[str, Mapping[str, str]],
        shared: Mapping[str, str] | None = None,
        commit: str = "",
    ) -> None:
        """`offered` are the variables of services that are no containers here, by name: Postgres and Redis."""
        self._image = image
        self._home = home
        self._offered = offered
        self._shared = shared or {}
        self._commit = commit
        self._deployments: list[Deployment] = []

    def deploy(self, spec: ServiceSpec, others: Mapping[str, ServiceSpec] | None = None) -> Deployment:
        """A container of `spec`, not yet started; `others` are the services that its variables may refer to."""
        known = {name: other.variables for name, other in (others or {}).items()}
        services = {**known, **self._offered, spec.name: spec.variables}
        variables = {"RAILWAY_GIT_COMMIT_SHA": self._commit, "RAILWAY_PROJECT_NAME": "posx"}
        if spec.healthcheck_path:
            variables["RAILWAY_PUBLIC_DOMAIN"] = DOMAIN
        variables |= resolve(spec.name, services, self._shared)
        name = f"{len(self._deployments)}-{spec.name}"
        # Each container has a filesystem of its own: two collectstatic in one would meet.
        own = self._home / f"{name}-app"
        shutil.copytree(self._image.app, own)
        image = replace(self._image, app=own)
        self._deployments.append(Deployment(image, spec, variables, self._home / f"{name}.log"))
        return self._deployments[-1]

    def stop(self) -> None:
        """Kill every container that still runs."""
        for deployment in self._deployments:
            deployment.kill()
