"""The commit that /version/ shows: Railway's variable, and nothing that is no commit."""

from __future__ import annotations

import pytest

from config.env import RAILWAY, EnvironmentInvalid, read_environment
from tests.config.test_env import COMPLETE

SHA = "0123456789ABCDEF0123456789abcdef01234567"


def test_railways_commit_is_shown_in_small_letters() -> None:
    env = read_environment({**COMPLETE, "RAILWAY_GIT_COMMIT_SHA": SHA}, RAILWAY)

    assert SHA.lower() == env.RAILWAY_GIT_COMMIT_SHA


def test_what_is_no_commit_is_refused() -> None:
    with pytest.raises(EnvironmentInvalid, match="RAILWAY_GIT_COMMIT_SHA is malformed"):
        read_environment({**COMPLETE, "RAILWAY_GIT_COMMIT_SHA": "<b>main</b>"}, RAILWAY)
