from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PayoutsConfig(AppConfig):
    name = "apps.payouts"
    label = "payouts"
    verbose_name = _("Payouts")

    def ready(self) -> None:
        # Models can be imported only now; the accounts room must not know this one.
        from apps.accounts.contract_signatures import register
        from apps.payouts.custody.evm.contract_signature import contract_signed

        register(contract_signed)
