"""Every key of Django's cache carries the site that the work is bound to, whatever its author wrote."""

from __future__ import annotations

from apps.sites.scope import bound_site_id


def site_key(key: str, key_prefix: str, version: int) -> str:
    """CACHES' KEY_FUNCTION: ``<prefix>:<version>:<site id or nobody>:<key>``."""
    return f"{key_prefix}:{version}:{bound_site_id() or 'nobody'}:{key}"
