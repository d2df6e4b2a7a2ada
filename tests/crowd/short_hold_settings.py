"""Settings of a site whose holds last 15 s, so that a test need not wait a minute for the shortest one."""

from config.settings.test import *  # noqa: F403

# The environment takes whole minutes only.
ORDER_HOLD_MINUTES = 0.25  # type: ignore[assignment]
