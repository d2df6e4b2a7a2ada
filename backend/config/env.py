"""Every environment variable, in one table: name, type, default, who needs it, and what it is for.

`read_environment` reports all that are missing or malformed in one error. An empty string counts as missing,
because a misspelt Railway reference arrives as one. Values of secrets never appear in a message.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from config import parsers

RAILWAY, LOCAL, TEST, BUILD = "railway", "local", "test", "build"
_INCOMPLETE_URL = "postgresql://incomplete:incomplete@incomplete/incomplete"
DEVELOPMENT_SECRET = "development-only-" + "0123456789abcdef" * 4


class EnvironmentInvalid(Exception):
    """The process cannot start; the message lists every variable at fault and what to do."""


@dataclass(frozen=True)
class Variable:
    """One row of the table. Without a `default` it is required under the railway profile; the other
    profiles fall back to `development`, so that tools run without any environment."""

    name: str
    parse: Callable[[str], Any]
    help: str
    default: str | None
    development: str
    secret: bool


def _variable(
    parse: Callable[[str], Any],
    help: str,  # noqa: A002 - the word that the generated docs use
    *,
    default: str | None = None,
    development: str = "",
    secret: bool = False,
) -> Any:
    row = {"parse": parse, "help": help, "default": default, "development": development, "secret": secret}
    return dataclasses.field(metadata=row)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The table itself: the attribute is the variable's name, the annotation its type in Python."""

    SECRET_KEY: str = _variable(
        parsers.secret_key,
        "Signs sessions. 50 random characters: python -c 'import secrets; print(secrets.token_hex())'",
        development=DEVELOPMENT_SECRET,
        secret=True,
    )
    SECRET_KEY_FALLBACKS: list[str] = _variable(  # noqa: RUF009 - a field, the list is its type
        parsers.secret_keys,
        "Older values of SECRET_KEY, by commas: they still open what they sealed, until it is sealed anew.",
        default="",
        secret=True,
    )
    DATABASE_URL: str = _variable(
        parsers.postgres_url,
        "${{Postgres.DATABASE_URL}}; or PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE. For migrate only.",
        development="postgresql://postgres:development@127.0.0.1:5432/posx",
        secret=True,
    )
    DATABASE_APP_URL: str = _variable(
        parsers.optional(parsers.app_url),
        "Where processes connect instead: a login of its own, or a pooler's address, postgresql://pgbouncer:6432/railway.",
        default="",
        secret=True,
    )
    REDIS_URL: str = _variable(
        parsers.redis_url,
        "${{Redis.REDIS_URL}}; or REDISHOST, REDISPORT, REDISPASSWORD (also written REDIS_HOST and so on).",
        development="redis://127.0.0.1:6379/0",
        secret=True,
    )
    CELERY_BROKER_URL: str = _variable(
        parsers.redis_url, "Celery's broker; REDIS_URL when not set.", default="", secret=True
    )
    CELERY_RESULT_BACKEND: str = _variable(
        parsers.redis_url, "Celery's results; the broker when not set.", default="", secret=True
    )
    ALLOWED_HOSTS: list[str] = _variable(  # noqa: RUF009 - a field, the list is its type
        parsers.hosts,
        "Host names served, by commas. Railway's public and private domain and its health check are added.",
        default="",
        development="localhost,.localhost,127.0.0.1,[::1],testserver",
    )
    CSRF_TRUSTED_ORIGINS: list[str] = _variable(  # noqa: RUF009 - a field, the list is its type
        parsers.origins,
        "Origins with scheme, by commas; https:// of the public domain when not set.",
        default="",
    )
    RAILWAY_PUBLIC_DOMAIN: str = _variable(
        parsers.optional(parsers.host), "Set by Railway on a service with a domain.", default=""
    )
    RAILWAY_PRIVATE_DOMAIN: str = _variable(
        parsers.optional(parsers.host),
        "Set by Railway: this service's name in the private network.",
        default="",
    )
    AUTH0_DOMAIN: str = _variable(
        parsers.host, "The Auth0 tenant, without scheme: dev-posx.us.auth0.com", development="auth0.localhost"
    )
    AUTH0_AUDIENCE: str = _variable(
        parsers.text,
        "The API identifier that access tokens are issued for.",
        development="https://api.posx.localhost",
    )
    AUTH0_ISSUER: str = _variable(
        parsers.optional(parsers.http_url),
        "Issuer of access tokens; https://{AUTH0_DOMAIN}/ when not set.",
        default="",
    )
    AUTH0_JWKS_URL: str = _variable(
        parsers.optional(parsers.http_url),
        "Signing keys; {issuer}.well-known/jwks.json when not set.",
        default="",
    )
    STRIPE_SECRET_KEY: str = _variable(
        parsers.text,
        "Stripe's secret API key (sk_test_... or sk_live_...).",
        development="sk_test_development",
        secret=True,
    )
    STRIPE_WEBHOOK_SECRETS: list[str] = _variable(  # noqa: RUF009 - a field, the list is its type
        parsers.comma_list,
        "Signing secrets of the Stripe endpoint, by commas: the old and the new one during a rotation.",
        development="whsec_development",
        secret=True,
    )
    STRIPE_API_BASE: str = _variable(
        parsers.http_url, "Stripe's address; the sandbox's locally.", default="https://api.stripe.com"
    )
    FIREBLOCKS_API_KEY: str = _variable(
        parsers.text, "The API user of the Fireblocks workspace.", development="development", secret=True
    )
    FIREBLOCKS_PRIVATE_KEY: str = _variable(
        parsers.pem,
        "RSA key of that API user, PEM; line breaks may be written as \\n.",
        default=None,
        secret=True,
    )
    FIREBLOCKS_API_BASE: str = _variable(
        parsers.http_url, "Fireblocks' address; the sandbox's locally.", default="https://api.fireblocks.io"
    )
    FIREBLOCKS_JWKS_URL: str = _variable(
        parsers.http_url,
        "Keys of Fireblocks' v2 webhooks.",
        default="https://keys.fireblocks.io/.well-known/jwks.json",
    )
    FIREBLOCKS_WEBHOOK_PUBLIC_KEYS: list[str] = _variable(  # noqa: RUF009 - a field, the list is its type
        parsers.pem_list, "Public keys of Fireblocks' v1 webhooks, PEM one after another.", default=""
    )
    CUSTODY_CALLS_A_MINUTE: int = _variable(
        parsers.calls_a_minute,
        "The most calls of Fireblocks' API in any minute, by all processes; a quarter may come at once. 10 at least.",
        default="600",
    )
    EVM_KEYS: dict[str, str] = _variable(  # noqa: RUF009 - a field, the mapping is its type
        parsers.evm_keys,
        "Private key of each site's hot wallet: NA:0x...,ASIA:0x... Only for assets sent directly (docs/custody.md).",
        default="",
        secret=True,
    )
    EVM_RPC_URLS: dict[str, str] = _variable(  # noqa: RUF009 - a field, the mapping is its type
        parsers.rpc_urls,
        "A node of each chain by its id: 1=https://...,8453=https://... Only for assets sent directly.",
        default="",
        secret=True,
    )
    EVM_MAX_FEE_GWEI: int = _variable(
        parsers.positive_int, "The most a unit of gas may cost; above it transfers wait.", default="300"
    )
    WEBHOOK_PRIVATE_HOSTS: list[str] = _variable(  # noqa: RUF009 - a field, the list is its type
        parsers.hosts,
        "Hosts that outgoing webhooks may reach though they are private, by commas; also by http://.",
        default="",
    )
    EMAIL_URL: str = _variable(
        parsers.optional(parsers.mail_url),
        "The mail server: smtp+starttls://user:password@host:587, smtps://... or smtp://...; without it notices wait.",
        default="",
        secret=True,
    )
    EMAIL_FROM: str = _variable(
        parsers.optional(parsers.mail_address), "The sender of notices to beneficiaries.", default=""
    )
    METRICS_TOKEN: str = _variable(
        parsers.optional(parsers.text),
        "Bearer token of /metrics; without it only the private network may ask.",
        default="",
        secret=True,
    )
    RAILWAY_GIT_COMMIT_SHA: str = _variable(
        parsers.optional(parsers.commit),
        "Set by Railway. /version/ shows it; elsewhere the build writes it into backend/COMMIT.",
        default="",
    )
    DATABASE_VOLUME_GB: int = _variable(
        parsers.whole_number,
        "Size of PostgreSQL's volume; the doctor warns at four fifths of it. 0: it does not judge.",
        default="0",
    )
    WEB_REPLICAS: int = _variable(
        parsers.positive_int, "How many copies of the backend run; for the connection budget.", default="1"
    )
    WEB_CONCURRENCY: int = _variable(parsers.positive_int, "Processes of each backend.", default="2")
    THREADS: int = _variable(parsers.positive_int, "Threads of each of these processes.", default="2")
    WORKER_REPLICAS: int = _variable(
        parsers.positive_int, "How many celery-workers run; for the connection budget.", default="1"
    )
    WORKER_CONCURRENCY: int = _variable(
        parsers.positive_int,
        "Processes of each worker: the Procfile's command reads it, the budget too.",
        default="2",
    )
    LOG_LEVEL: str = _variable(parsers.log_level, "DEBUG, INFO, WARNING or ERROR.", default="INFO")
    ORDER_HOLD_MINUTES: int = _variable(
        parsers.positive_int, "How long an unpaid order keeps its tokens reserved.", default="15"
    )
    IDEMPOTENCY_KEEP_HOURS: int = _variable(
        parsers.positive_int, "How long Idempotency-Keys are remembered.", default="48"
    )
    ADMIN_SECOND_FACTOR: str = _variable(
        parsers.second_factor,
        "`required`: nobody works in the admin without one; `off`: only who has set one up is asked.",
        default="required",
        development="off",
    )


VARIABLES = tuple(Variable(name=field.name, **field.metadata) for field in dataclasses.fields(Environment))


def profile_of(settings_module: str) -> str:
    """The profile a settings module stands for: its last word, `local` when it is none of ours."""
    word = settings_module.rpartition(".")[2]
    return word if word in {RAILWAY, TEST, BUILD} else LOCAL


def read_environment(source: Mapping[str, str], profile: str) -> Environment:
    """Parse the table from `source`. Raises EnvironmentInvalid naming every fault at once."""
    given = {name: value.strip() for name, value in source.items() if value.strip()}
    faults: list[str] = []
    given = _with_database_parts(given, faults) | _redis_parts(given)
    values = {row.name: _read(row, given, profile, faults) for row in VARIABLES}
    if faults:
        raise EnvironmentInvalid(_message(faults, profile))
    return Environment(**_with_derived(values))


def read_env_file(path: Path) -> dict[str, str]:
    """NAME=value lines of a file that a local stack wrote; empty when there is none."""
    if not path.is_file():
        return {}
    lines = (line.partition("=") for line in path.read_text().splitlines())
    return {name.strip(): value for name, sep, value in lines if sep and not name.startswith("#")}


def current_environment() -> Environment:
    """The environment of this process, under the profile of DJANGO_SETTINGS_MODULE."""
    profile = profile_of(os.environ.get("DJANGO_SETTINGS_MODULE", ""))
    source = dict(os.environ)
    if profile == LOCAL:
        root = Path(__file__).resolve().parents[2]
        state = Path(source.get("POSX_STATE_DIR") or root / ".devstack")
        source = read_env_file(state / "env") | source
    return read_environment(source, profile)


def _read(row: Variable, given: Mapping[str, str], profile: str, faults: list[str]) -> Any:
    value = given.get(row.name)
    if value is None:
        value = _fallback(row, profile)
        if value is None:
            faults.append(f"{row.name} is missing or empty. {row.help}")
        if not value:
            return parsers.empty_of(row.parse)
    try:
        return row.parse(value)
    except ValueError as exc:
        faults.append(f"{row.name} is malformed: {exc}. {row.help}")
        return ""


def _fallback(row: Variable, profile: str) -> str | None:
    if profile == RAILWAY:
        return row.default
    return row.development or row.default or ""


def _with_database_parts(given: dict[str, str], faults: list[str]) -> dict[str, str]:
    if "DATABASE_URL" in given or "PGHOST" not in given:
        return given
    parts = {name: given.get(name, "") for name in ("PGUSER", "PGPASSWORD", "PGDATABASE")}
    faults += [
        f"{name} is missing or empty. PGHOST is set, so it is needed." for name, v in parts.items() if not v
    ]
    login = f"{quote(parts['PGUSER'], safe='')}:{quote(parts['PGPASSWORD'], safe='')}"
    address = f"{_bracketed(given['PGHOST'])}:{given.get('PGPORT', '5432')}"
    url = f"postgresql://{login}@{address}/{quote(parts['PGDATABASE'], safe='')}"
    # With a part missing its own line says so; a second fault about the whole address would only confuse.
    return given | {"DATABASE_URL": url if all(parts.values()) else _INCOMPLETE_URL}


def _redis_parts(given: Mapping[str, str]) -> dict[str, str]:
    if "REDIS_URL" in given:
        return {}
    host = given.get("REDISHOST") or given.get("REDIS_HOST")
    if host is None:
        # The seed gives the worker only these two; either is a full address of the same server.
        spare = given.get("CELERY_BROKER_URL") or given.get("CELERY_RESULT_BACKEND")
        return {"REDIS_URL": spare} if spare else {}
    port = given.get("REDISPORT") or given.get("REDIS_PORT") or "6379"
    user = given.get("REDISUSER") or given.get("REDIS_USER") or "default"
    password = given.get("REDISPASSWORD") or given.get("REDIS_PASSWORD")
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else ""
    return {"REDIS_URL": f"redis://{login}{_bracketed(host)}:{port}"}


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _with_derived(values: dict[str, Any]) -> dict[str, Any]:
    broker = values["CELERY_BROKER_URL"] or values["REDIS_URL"]
    issuer = values["AUTH0_ISSUER"] or f"https://{values['AUTH0_DOMAIN']}/"
    domain = values["RAILWAY_PUBLIC_DOMAIN"]
    return values | {
        "CELERY_BROKER_URL": broker,
        "CELERY_RESULT_BACKEND": values["CELERY_RESULT_BACKEND"] or broker,
        "AUTH0_ISSUER": issuer,
        "AUTH0_JWKS_URL": values["AUTH0_JWKS_URL"] or f"{issuer.rstrip('/')}/.well-known/jwks.json",
        "ALLOWED_HOSTS": [
            *values["ALLOWED_HOSTS"],
            *filter(None, [domain, values["RAILWAY_PRIVATE_DOMAIN"]]),
        ],
        "RAILWAY_GIT_COMMIT_SHA": values["RAILWAY_GIT_COMMIT_SHA"] or _baked_commit(),
        "CSRF_TRUSTED_ORIGINS": values["CSRF_TRUSTED_ORIGINS"] or ([f"https://{domain}"] if domain else []),
    }


def _baked_commit() -> str:
    """What `git rev-parse HEAD > backend/COMMIT` left at build time; an image holds no .git."""
    file = Path(__file__).resolve().parents[1] / "COMMIT"
    try:
        return parsers.commit(file.read_text().strip())
    except (OSError, ValueError):
        return ""  # shown as unknown; a process must not stay down for want of a label


def _message(faults: list[str], profile: str) -> str:
    lines = "\n".join(f"  - {fault}" for fault in faults)
    return (
        f"{len(faults)} environment variable(s) to mend before this can start ({profile} settings):\n{lines}"
    )
