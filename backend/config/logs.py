"""Where logs go: stdout, because Railway shows whatever comes on stderr as an error."""

from typing import Any


def logging_settings(*, level: str, formatter: str) -> dict[str, Any]:
    """Django's LOGGING; `formatter` is `json` (one object a line) or `lines` (for people)."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": "apps.core.logging.JsonFormatter"},
            "lines": {"()": "apps.core.logging.LineFormatter"},
        },
        "handlers": {
            "stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": formatter}
        },
        "root": {"handlers": ["stdout"], "level": level},
        "loggers": {
            # Django gives its own loggers handlers on stderr; everything goes to the root instead.
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "django.request": {"level": "ERROR"},  # a 4xx is in the access line already
            "django.server": {"handlers": [], "level": "INFO", "propagate": True},
            "gunicorn.error": {"handlers": [], "level": "INFO", "propagate": True},
            "gunicorn.access": {"handlers": [], "level": "INFO", "propagate": False},  # posx.access is ours
            "kombu": {"level": "WARNING"},
            "urllib3": {"level": "INFO"},  # its DEBUG lines hold paths, and a node's path holds an access key
            "amqp": {"level": "WARNING"},
        },
    }
