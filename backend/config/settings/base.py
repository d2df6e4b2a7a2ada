"""Settings of every environment. What varies comes from config.env; what is unsafe is off here."""

import sys
from pathlib import Path

from apps.core.redaction import hide_values
from config.celery_settings import *  # noqa: F403 - CELERY_*, in their own file
from config.env import current_environment
from config.logins import admin_database, app_database, auditor_database
from config.logs import logging_settings
from config.mail import mail_server
from config.processes import process_kind
from config.secret_texts import secret_texts

BASE_DIR = Path(__file__).resolve().parents[2]
_env = current_environment()
hide_values(secret_texts(_env))  # before anything can log one

SECRET_KEY = _env.SECRET_KEY
DEBUG = False  # everywhere: a failure is a problem document outside and a traceback in the log
ALLOWED_HOSTS = [
    *_env.ALLOWED_HOSTS,
    "healthcheck.railway.app",
]  # the Host of Railway's health check, anywhere
SECRET_KEY_FALLBACKS = _env.SECRET_KEY_FALLBACKS
WEBHOOK_PRIVATE_HOSTS = frozenset(host.lower() for host in _env.WEBHOOK_PRIVATE_HOSTS)
CSRF_TRUSTED_ORIGINS = _env.CSRF_TRUSTED_ORIGINS
METRICS_TOKEN = _env.METRICS_TOKEN
RAILWAY_PUBLIC_DOMAIN = _env.RAILWAY_PUBLIC_DOMAIN

# Under /api/v1/ a request names its site; these few cannot.
SITE_EXEMPT_PREFIXES = ["/api/v1/webhooks/", "/api/v1/schema/", "/api/v1/docs/"]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
APPEND_SLASH = True
AUTH_USER_MODEL = "accounts.Identity"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    # Ours first: of two commands with one name Django takes the first app's, and `migrate` is ours.
    "apps.core",
    "apps.sites",
    "apps.audit",
    "apps.idempotency",
    "apps.accounts",
    "apps.payouts",
    "apps.vesting",
    "apps.tiers",
    "apps.orders",
    "apps.webhooks",
    "apps.subscriptions",
    "apps.operations",
    "apps.accounts.admin_config.StaffAdminConfig",  # django.contrib.admin with our AdminSite
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.core.middleware.RequestIdMiddleware",
    "apps.core.middleware.ProblemMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.accounts.sessions.StaffSessionMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "apps.sites.middleware.SiteMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

DATABASES = {
    "default": app_database(_env.DATABASE_URL, _env.DATABASE_APP_URL, kind=process_kind(sys.argv)),
    "auditor": auditor_database(_env.DATABASE_URL),  # opened by a recorded look at all sites only
}
DATABASE_ROUTERS = ["apps.sites.auditor.AuditorRouter"]
DATABASE_ADMIN = admin_database(_env.DATABASE_URL)  # opened by migrate, provisioning and the doctor only
# The arguments of apps.core.connection_budget.Processes. Behind a pooler it is the pool that counts.
PROCESSES = {
    "web_replicas": _env.WEB_REPLICAS,
    "web_processes": _env.WEB_CONCURRENCY,
    "web_threads": _env.THREADS,
    "worker_replicas": _env.WORKER_REPLICAS,
    "worker_processes": _env.WORKER_CONCURRENCY,
}
DATABASE_VOLUME_GB = _env.DATABASE_VOLUME_GB
DATABASE_IS_POOLED = bool(_env.DATABASE_APP_URL) and "@" not in _env.DATABASE_APP_URL

REDIS_URL = _env.REDIS_URL
CACHES = {
    "default": {
        "BACKEND": "apps.core.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "posx",
        "KEY_FUNCTION": "apps.sites.cache_keys.site_key",
        "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
    }
}
CELERY_BROKER_URL = _env.CELERY_BROKER_URL
CELERY_RESULT_BACKEND = _env.CELERY_RESULT_BACKEND

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
STAFF_SESSION_MAX_S = 12 * 3600  # from logging in, whatever is clicked
SESSION_COOKIE_AGE = 3600  # without a click; the row in the database ends, the cookie with the browser
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
ADMIN_SECOND_FACTOR = _env.ADMIN_SECOND_FACTOR
OTP_TOTP_ISSUER = "POSX"
# Wrong codes are counted by apps.accounts.tries: one count over all of a person's devices, with one lock-out.
OTP_TOTP_THROTTLE_FACTOR = 0
OTP_STATIC_THROTTLE_FACTOR = 0
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGE_CODE = "en"

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

REST_FRAMEWORK = {
    "DEFAULT_PARSER_CLASSES": ["apps.core.json_parser.JsonParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.authentication.Auth0Authentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["apps.core.throttles.MethodThrottle"],
    "DEFAULT_THROTTLE_RATES": {"reads": "600/min", "writes": "120/min"},
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "apps.core.problems.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "NUM_PROXIES": 0,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "POSX",
    "DESCRIPTION": "Token sales, vesting and payouts, by site.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.openapi.finish",
    ],
    # Fields called status or unit have several sets of values; each set has its own name for clients.
    "ENUM_NAME_OVERRIDES": {
        "PeriodUnitEnum": "apps.vesting.models.PeriodUnit",
        "OrderStatusEnum": "apps.orders.models.OrderStatus",
        "RefundStatusEnum": "apps.orders.models.RefundStatus",
        "ReleaseStatusEnum": "apps.vesting.models.COUNTED",
        "MilestoneStateEnum": "apps.vesting.milestone_models.MilestoneState",
        "RevocationStateEnum": "apps.vesting.revoking_models.RevocationState",
        "WalletChangeStatusEnum": "apps.accounts.wallet_models.ChangeStatus",
        "BatchStatusEnum": "apps.payouts.models.BatchStatus",
        "PayoutStatusEnum": "apps.payouts.models.PayoutStatus",
        "AttemptStatusEnum": "apps.payouts.models.AttemptStatus",
        "SettlementStateEnum": "apps.vesting.receivable_models.SettlementState",
        "SettlementKindEnum": "apps.vesting.receivable_models.SettlementKind",
        "ResolutionStateEnum": "apps.payouts.resolution_models.ResolutionState",
        "DeliveryStatusEnum": "apps.subscriptions.models.DeliveryStatus",
    },
}

AUTH0_DOMAIN = _env.AUTH0_DOMAIN
AUTH0_AUDIENCE = _env.AUTH0_AUDIENCE
AUTH0_ISSUER = _env.AUTH0_ISSUER
AUTH0_JWKS_URL = _env.AUTH0_JWKS_URL
STRIPE_SECRET_KEY = _env.STRIPE_SECRET_KEY
STRIPE_WEBHOOK_SECRETS = _env.STRIPE_WEBHOOK_SECRETS
STRIPE_API_BASE = _env.STRIPE_API_BASE
FIREBLOCKS_API_KEY = _env.FIREBLOCKS_API_KEY
FIREBLOCKS_PRIVATE_KEY = _env.FIREBLOCKS_PRIVATE_KEY
FIREBLOCKS_API_BASE = _env.FIREBLOCKS_API_BASE
FIREBLOCKS_JWKS_URL = _env.FIREBLOCKS_JWKS_URL
FIREBLOCKS_WEBHOOK_PUBLIC_KEYS = _env.FIREBLOCKS_WEBHOOK_PUBLIC_KEYS
CUSTODY_CALLS_A_MINUTE = _env.CUSTODY_CALLS_A_MINUTE
EVM_KEYS = _env.EVM_KEYS
EVM_RPC_URLS = _env.EVM_RPC_URLS
EVM_MAX_FEE_GWEI = _env.EVM_MAX_FEE_GWEI
# A mail server may take its time, and a worker's round has 40 s.
EMAIL_TIMEOUT = 10
EMAIL_READY = bool(_env.EMAIL_URL and _env.EMAIL_FROM)  # else notices wait in their rows
DEFAULT_FROM_EMAIL = _env.EMAIL_FROM or "posx@localhost"
_mail = mail_server(_env.EMAIL_URL)
EMAIL_HOST, EMAIL_PORT = _mail.host, _mail.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _mail.user, _mail.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _mail.use_tls, _mail.use_ssl
ORDER_HOLD_MINUTES = _env.ORDER_HOLD_MINUTES
IDEMPOTENCY_KEEP_HOURS = _env.IDEMPOTENCY_KEEP_HOURS

VERSION = _env.RAILWAY_GIT_COMMIT_SHA or "unknown"
LOG_LEVEL = _env.LOG_LEVEL
LOGGING = logging_settings(level=LOG_LEVEL, formatter="lines")
