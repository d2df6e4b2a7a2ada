"""Outgoing webhooks in the admin: subscriptions are made and changed here; deliveries are looked at and sent again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.core.problems import Problem
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.base import ReadOnlyInline, ScopedAdmin, SiteModelForm, WritableAdmin
from apps.sites.scoped_admin.columns import badge, short_id
from apps.sites.scoped_admin.place import StaffPlace
from apps.subscriptions.catalogue import EVENT_TYPES
from apps.subscriptions.destination import Refused, split_url
from apps.subscriptions.models import Delivery, DeliveryTry, OutgoingEvent, Subscription
from apps.subscriptions.services import (
    deliveries_resend,
    deliveries_resend_failed,
    is_full,
    secret_of,
    secret_rotate,
    subscription_change,
    subscription_create,
    subscription_try,
)


class SubscriptionForm(SiteModelForm):
    """An address and what is sent to it; where its name leads is asked for each request."""

    event_types = forms.MultipleChoiceField(
        label=gettext_lazy("Event types"),
        choices=[(each, each) for each in EVENT_TYPES],
        widget=forms.CheckboxSelectMultiple,
    )

    class Meta:
        model = Subscription
        fields = ("name", "url", "event_types", "is_active")

    def clean_url(self) -> str:
        """The address, when something may be sent there."""
        url: str = self.cleaned_data["url"]
        try:
            split_url(url)
        except Refused as refused:
            raise forms.ValidationError(str(refused), code=refused.code) from refused
        return url

    def clean(self) -> dict[str, Any]:
        """Room for one more, when it is a new one."""
        if self.instance._state.adding and is_full():
            raise forms.ValidationError(_("The site has as many subscriptions as it may: change one."))
        return super().clean() or {}


class _OneSubscription(EntryAction):
    one_only = True

    def facts(self, rows: Sequence[Any]) -> list[tuple[Any, Any]]:
        return [(_("Subscription"), rows[0].name), (_("Address"), rows[0].url)]


class ShowSecret(_OneSubscription):
    """The page that would ask for confirmation is what shows it: it is in no message and no cookie."""

    name = "show-secret"
    title = gettext_lazy("Show secret")

    def facts(self, rows: Sequence[Any]) -> list[tuple[Any, Any]]:
        try:
            shown: Any = format_html("<code>{}</code>", secret_of(rows[0]))
        except Problem as problem:
            shown = problem.detail
        return [*super().facts(rows), (_("Secret"), shown)]

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        return _("Keep it where the receiver can read it, and nowhere else.")


class RotateSecret(_OneSubscription):
    name = "rotate-secret"
    title = gettext_lazy("Make a new secret")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        secret_rotate(subscription_id=ids[0])
        return _("The new secret is in force; the one before signs beside it for 24 hours.")


class SendTest(_OneSubscription):
    name = "send-test"
    title = gettext_lazy("Send a test message")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        subscription_try(subscription_id=ids[0])
        return _("On its way: the newest delivery says what became of it.")


class ResendFailed(_OneSubscription):
    name = "resend-failed"
    title = gettext_lazy("Send again what was given up")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        count = deliveries_resend_failed(subscription_id=ids[0])
        return _("%(count)d deliveries are sent again.") % {"count": count}


class Resend(EntryAction):
    name = "resend"
    title = gettext_lazy("Send again")

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        return _("%(count)d deliveries are sent again.") % {"count": deliveries_resend(delivery_ids=ids)}


@admin.register(Subscription)
class SubscriptionAdmin(WritableAdmin):
    form = SubscriptionForm
    hidden = ("secret_sealed", "old_secret_sealed", "old_secret_until", "secret_version")
    list_display = ("name", "url", "is_active", "stopped_code", "failures_in_a_row", "quiet_until")
    list_filter = ("is_active",)
    search_fields = ("id", "name")
    entry_actions = (SendTest(), ShowSecret(), RotateSecret(), ResendFailed())

    def columns_of_a_new_row(self) -> list[str]:
        return list(SubscriptionForm.Meta.fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        kept = [name for name in super().get_readonly_fields(request, obj) if name not in self.hidden]
        return [*kept, "stopped_code"] if obj is not None else kept

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """By the services, as the API does it: a new one gets its secret, one that is switched on starts afresh."""
        if not change:
            obj.pk = subscription_create(**form.cleaned_data).pk
        elif changed := form.columns_to_save():
            subscription_change(subscription_id=obj.pk, **{name: form.cleaned_data[name] for name in changed})


@admin.register(OutgoingEvent)
class OutgoingEventAdmin(ScopedAdmin):
    list_display = (short_id, "occurred_at", "event_type", "object_id")
    search_fields = ("id", "object_id")


class TriesInline(ReadOnlyInline):
    model = DeliveryTry
    shown = ("at", "http_status", "error_code", "duration_ms")


@admin.register(Delivery)
class DeliveryAdmin(ScopedAdmin):
    cells = (badge(good=("delivered",), busy=("pending",), bad=("failed",)),)
    list_display = (short_id, "event", "subscription", *cells, "attempts", "next_attempt_at", "delivered_at")
    list_filter = ("status",)
    list_select_related = ("event", "subscription")
    search_fields = ("id", "event__id", "subscription__id")
    inlines = (TriesInline,)
    entry_actions = (Resend(),)


@admin.register(DeliveryTry)
class DeliveryTryAdmin(ScopedAdmin):
    list_display = (short_id, "at", "delivery", "http_status", "error_code", "duration_ms")
    search_fields = ("id", "delivery__id")
