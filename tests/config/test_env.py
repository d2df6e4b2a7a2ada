"""The environment table: every fault at once, each named, no secret shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.env import (
    LOCAL,
    RAILWAY,
    VARIABLES,
    EnvironmentInvalid,
    profile_of,
    read_env_file,
    read_environment,
)

PEM = "-----BEGIN PRIVATE KEY-----\\nMIIabc\\n-----END PRIVATE KEY-----"
COMPLETE = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ",
    "DATABASE_URL": "postgresql://postgres:p%40ss@db.railway.internal:5432/railway",
    "REDIS_URL": "redis://default:secret@redis.railway.internal:6379",
    "AUTH0_DOMAIN": "dev-posx.us.auth0.com",
    "AUTH0_AUDIENCE": "https://api.posx.io",
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRETS": "whsec_new, whsec_old",
    "FIREBLOCKS_API_KEY": "a-key",
    "FIREBLOCKS_PRIVATE_KEY": PEM,
}


def faults(source: dict[str, str]) -> str:
    with pytest.raises(EnvironmentInvalid) as caught:
        read_environment(source, RAILWAY)
    return str(caught.value)


def without(*names: str, **others: str) -> dict[str, str]:
    return {name: value for name, value in COMPLETE.items() if name not in names} | others


def test_a_complete_environment_is_typed() -> None:
    env = read_environment(COMPLETE, RAILWAY)

    assert env.STRIPE_WEBHOOK_SECRETS == ["whsec_new", "whsec_old"]
    assert env.ORDER_HOLD_MINUTES == 15
    assert PEM.replace("\\n", "\n") + "\n" == env.FIREBLOCKS_PRIVATE_KEY
    assert env.CELERY_BROKER_URL == env.CELERY_RESULT_BACKEND == env.REDIS_URL
    assert env.AUTH0_ISSUER == "https://dev-posx.us.auth0.com/"
    assert env.AUTH0_JWKS_URL == "https://dev-posx.us.auth0.com/.well-known/jwks.json"


def test_all_that_is_missing_is_named_in_one_error() -> None:
    message = faults({})

    assert all(name in message for name in COMPLETE)
    assert message.count("is missing or empty") == len(COMPLETE)


@pytest.mark.parametrize("name", COMPLETE)
def test_an_empty_reference_counts_as_missing(name: str) -> None:
    assert f"{name} is missing or empty" in faults({**COMPLETE, name: "  "})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "short-s3cret"),
        ("DATABASE_URL", "mysql://u:s3cret@h/d"),
        ("DATABASE_URL", "postgresql://u@h/s3cret"),
        ("DATABASE_URL", "postgresql://u:s3cret@h:port/d"),
        ("REDIS_URL", "s3cret"),
        ("ALLOWED_HOSTS", "*"),
        ("CSRF_TRUSTED_ORIGINS", "posx.io"),
        ("AUTH0_DOMAIN", "https://dev-posx.us.auth0.com"),
        ("STRIPE_API_BASE", "localhost:1"),
        ("FIREBLOCKS_PRIVATE_KEY", "s3cret"),
        ("LOG_LEVEL", "LOUD"),
        ("ORDER_HOLD_MINUTES", "0"),
        ("IDEMPOTENCY_KEEP_HOURS", "two"),
    ],
)
def test_a_malformed_value_is_named_and_not_shown(name: str, value: str) -> None:
    message = faults({**COMPLETE, name: value})

    assert f"{name} is malformed" in message
    assert "s3cret" not in message


def test_missing_and_malformed_come_together() -> None:
    message = faults(without("REDIS_URL", LOG_LEVEL="LOUD"))

    assert "REDIS_URL is missing" in message
    assert "LOG_LEVEL is malformed" in message
    assert message.startswith("2 environment variable(s)")


def test_the_parts_of_the_database_stand_in_for_its_address() -> None:
    parts = {
        "PGHOST": "db",
        "PGPORT": "6543",
        "PGUSER": "postgres",
        "PGPASSWORD": "p@ss/w",
        "PGDATABASE": "railway",
    }

    assert (
        read_environment(without("DATABASE_URL", **parts), RAILWAY).DATABASE_URL
        == "postgresql://postgres:p%40ss%2Fw@db:6543/railway"
    )


def test_a_missing_part_of_the_database_is_named_itself() -> None:
    message = faults(without("DATABASE_URL", PGHOST="db", PGUSER="postgres", PGDATABASE="railway"))

    assert "PGPASSWORD is missing" in message
    assert "DATABASE_URL is" not in message


@pytest.mark.parametrize("style", ["REDIS", "REDIS_"])
def test_the_parts_of_redis_stand_in_for_its_address(style: str) -> None:
    parts = {f"{style}HOST": "fd12::1", f"{style}PORT": "6380", f"{style}PASSWORD": "p@ss"}

    assert (
        read_environment(without("REDIS_URL", **parts), RAILWAY).REDIS_URL
        == "redis://default:p%40ss@[fd12::1]:6380"
    )


def test_the_seeds_worker_needs_only_the_brokers_address() -> None:
    env = read_environment(without("REDIS_URL", CELERY_BROKER_URL="redis://broker:1"), RAILWAY)

    assert env.REDIS_URL == env.CELERY_RESULT_BACKEND == "redis://broker:1"


def test_railways_domain_is_served_and_trusted() -> None:
    env = read_environment({**COMPLETE, "RAILWAY_PUBLIC_DOMAIN": "posx.up.railway.app"}, RAILWAY)

    assert env.ALLOWED_HOSTS == ["posx.up.railway.app"]
    assert env.CSRF_TRUSTED_ORIGINS == ["https://posx.up.railway.app"]


def test_tools_run_without_any_environment() -> None:
    assert read_environment({}, LOCAL).DATABASE_URL


def test_no_development_value_gets_past_railway() -> None:
    needed = {row.name for row in VARIABLES if row.default is None}

    assert needed == set(COMPLETE)
    assert all(row.default in (None, "") for row in VARIABLES if row.secret)


@given(st.dictionaries(st.sampled_from([row.name for row in VARIABLES]), st.text(max_size=30)))
def test_any_environment_is_read_or_refused_by_name(source: dict[str, str]) -> None:
    try:
        read_environment(source, RAILWAY)
    except EnvironmentInvalid:
        return


@pytest.mark.parametrize(
    ("module", "profile"),
    [
        ("config.settings.railway", RAILWAY),
        ("config.settings.local", LOCAL),
        ("elsewhere", LOCAL),
        ("", LOCAL),
    ],
)
def test_the_settings_module_names_the_profile(module: str, profile: str) -> None:
    assert profile_of(module) == profile


def test_a_stacks_own_file_is_read(tmp_path: object) -> None:
    path = tmp_path / "env"  # type: ignore[operator]
    path.write_text("# ours\nREDIS_URL=redis://h:1/?a=b\n\nnonsense\n")

    assert read_env_file(path) == {"REDIS_URL": "redis://h:1/?a=b"}
