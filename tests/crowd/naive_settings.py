"""Settings of a web process that reads what is left and then writes. For the negative control in test_crowd.py."""

from config.settings.base import INSTALLED_APPS as _INSTALLED_APPS
from tests.crowd.short_hold_settings import *  # noqa: F403

INSTALLED_APPS = [*_INSTALLED_APPS, "tests.crowd.naive_inventory.NaiveInventory"]
