from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SitesConfig(AppConfig):
    name = "apps.sites"
    label = "sites"
    verbose_name = _("Sites and tenancy")

    def ready(self) -> None:
        from apps.core.logging import register_log_field
        from apps.sites import checks  # noqa: F401 - registers them
        from apps.sites.scope import bound_site_id

        register_log_field("site", lambda: str(site_id) if (site_id := bound_site_id()) else None)
