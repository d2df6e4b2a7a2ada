"""The keys of railway.json as Railway documents them, as a JSON schema that refuses every other key.

docs.railway.com/config-as-code/reference; drainingSeconds and overlapSeconds must be numbers, whatever its examples
say (github.com/railwayapp/docs/issues/1243). limitOverride and sleepApplication are in the dashboard's own export.
"""

from __future__ import annotations

from typing import Any


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


TEXT: dict[str, Any] = {"type": ["string", "null"]}
WHOLE: dict[str, Any] = {"type": ["integer", "null"], "minimum": 0}
TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
BUILD = _object(
    builder={"enum": ["RAILPACK", "DOCKERFILE", "NIXPACKS"]},
    watchPatterns=TEXTS,
    buildCommand=TEXT,
    dockerfilePath=TEXT,
    railpackVersion=TEXT,
    nixpacksConfigPath=TEXT,
    nixpacksPlan={"type": ["object", "null"]},
    nixpacksVersion=TEXT,
)
DEPLOY = _object(
    startCommand=TEXT,
    preDeployCommand=TEXTS,
    multiRegionConfig={"type": ["object", "null"]},
    numReplicas=WHOLE,
    healthcheckPath=TEXT,
    healthcheckTimeout=WHOLE,
    restartPolicyType={"enum": ["ON_FAILURE", "ALWAYS", "NEVER"]},
    restartPolicyMaxRetries=WHOLE,
    cronSchedule=TEXT,
    overlapSeconds=WHOLE,
    drainingSeconds=WHOLE,
    sleepApplication={"type": "boolean"},
    limitOverride=_object(containers=_object(cpu={"type": "number"}, memoryBytes=WHOLE)),
)
RAILWAY_JSON = {
    **_object(
        **{"$schema": {"const": "https://railway.com/railway.schema.json"}},
        build=BUILD,
        deploy=DEPLOY,
        environments={"type": "object", "additionalProperties": _object(build=BUILD, deploy=DEPLOY)},
    ),
    "$schema": "https://json-schema.org/draft/2020-12/schema",
}
