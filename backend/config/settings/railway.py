"""Production on Railway, behind its edge, which ends TLS and sends X-Forwarded-Proto."""

import logging

from config.logs import logging_settings
from config.settings.base import *  # noqa: F403
from config.settings.base import LOG_LEVEL as _LOG_LEVEL
from config.settings.base import REST_FRAMEWORK as _REST_FRAMEWORK

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_SSL_REDIRECT = True
# Railway's health check and monitors on the private network ask over http, and want no redirect.
SECURE_REDIRECT_EXEMPT = [r"^(health|ready|version)/$"]
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True

REST_FRAMEWORK = {**_REST_FRAMEWORK, "NUM_PROXIES": 1}

LOGGING = logging_settings(level=_LOG_LEVEL, formatter="json")
logging.captureWarnings(True)  # Python prints them to stderr, where each would show as an error
