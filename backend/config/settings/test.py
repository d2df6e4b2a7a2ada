"""Tests: the same engine, cache and broker as production; addresses come from tests/servers.py."""

from config.settings.base import *  # noqa: F403
from config.settings.base import REST_FRAMEWORK as _REST_FRAMEWORK

# Hashing is slow on purpose; tests of logging in do not test the hash.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# The throttle works as ever; only one address asks for everything here.
REST_FRAMEWORK = {
    **_REST_FRAMEWORK,
    "DEFAULT_THROTTLE_RATES": {"reads": "100000/min", "writes": "100000/min"},
}
EMAIL_READY = True  # pytest-django keeps mails in memory; one test has a server of its own
