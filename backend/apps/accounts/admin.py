"""People: identities for platform administrators, members and wallets for the staff of their site."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import BaseUserCreationForm
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_otp.plugins.otp_static import admin as static_admin
from django_otp.plugins.otp_totp import admin as totp_admin

from apps.accounts import wallet_admin
from apps.accounts.admin_login import factor_counter, subject_counter
from apps.accounts.models import Identity, LoginTry, Membership, PlatformEvent, Role
from apps.accounts.platform import platform_event_add
from apps.accounts.second_factor import factor_reset
from apps.accounts.services import member_role_set
from apps.accounts.tries import tries_forget
from apps.sites.scoped_admin.actions import EntryAction
from apps.sites.scoped_admin.base import PlatformAdmin, PlatformReadOnly, ScopedAdmin
from apps.sites.scoped_admin.place import StaffPlace

# Rights come from memberships; the app login may not even write groups.
admin.site.unregister(Group)
# Their pages show secrets, and anybody's could be changed; second factors have pages of their own.
admin.site.unregister([totp_admin.TOTPDevice, static_admin.StaticDevice])


PEOPLE_AT_ONCE = 20


class IdentityForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Everything but the password, which has its own page."""

    class Meta:
        model = Identity
        fields = ("is_active", "is_staff", "is_platform_admin")


class NewIdentityForm(BaseUserCreationForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Somebody who logs in to the admin with a password."""

    class Meta:
        model = Identity
        fields = ("subject",)


@admin.register(Identity)
class IdentityAdmin(PlatformAdmin, UserAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    form = IdentityForm
    add_form = NewIdentityForm
    list_display = ("subject", "is_active", "is_staff", "is_platform_admin", "last_login", "created_at")
    list_filter = ()
    search_fields = ("id", "subject")
    search_help_text = _("The whole subject, or an id")
    ordering = ("-id",)
    filter_horizontal = ()
    add_form_template = None
    readonly_fields = ("id", "subject", "created_at", "last_login")
    fieldsets = (
        (None, {"fields": ("id", "subject", "created_at", "last_login")}),
        (_("Rights"), {"fields": ("is_active", "is_staff", "is_platform_admin")}),
    )
    add_fieldsets = (
        (None, {"fields": ("subject", "password1", "password2", "is_staff", "is_platform_admin")}),
    )
    change_form_template = "admin/identity_change_form.html"
    actions = ("unlock_login", "reset_second_factor")

    @admin.action(description=_("Unlock login"), permissions=["change"])
    def unlock_login(self, request: HttpRequest, queryset: QuerySet[Identity]) -> None:
        """Forget failed tries; the person's password and second factor stay."""
        for person in queryset.order_by("pk")[:PEOPLE_AT_ONCE]:
            platform_event_add(action="login.unlock", target=str(person.pk))
            tries_forget(counters=[subject_counter(person.subject), factor_counter(person.pk)])
            self.message_user(request, gettext("%(who)s may try again.") % {"who": person.subject})

    @admin.action(description=_("Reset a lost second factor"), permissions=["change"])
    def reset_second_factor(self, request: HttpRequest, queryset: QuerySet[Identity]) -> None:
        """For somebody else: a stolen session must not be able to rid itself of the factor."""
        for person in queryset.order_by("pk")[:PEOPLE_AT_ONCE]:
            if person.pk == request.user.pk:
                said = gettext("Nobody resets their own second factor: ask another platform administrator.")
                self.message_user(request, said, messages.ERROR)
                continue
            factor_reset(identity_id=person.pk)
            said = gettext("%(who)s can set up a new second factor.") % {"who": person.subject}
            self.message_user(request, said)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        # Another subject would be another person behind the same memberships.
        return self.readonly_fields if obj is not None else ()


@admin.register(LoginTry)
class LoginTryAdmin(PlatformReadOnly):
    list_display = ("key", "failures", "locked_until", "forget_at")
    search_fields = ("key",)
    ordering = ("-forget_at",)


@admin.register(PlatformEvent)
class PlatformEventAdmin(PlatformReadOnly):
    list_display = ("at", "actor_kind", "actor_id", "action", "target", "request_id")
    search_fields = ("id", "actor_id", "target")
    ordering = ("-id",)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


class SetRole(EntryAction):
    """For approvers; the service refuses it for oneself."""

    name = "set-role"
    title = _("Change role")
    one_only = True

    def allowed(self, place: StaffPlace) -> bool:
        return place.may_approve

    def facts(self, rows: Sequence[Membership]) -> list[tuple[Any, Any]]:
        return [(gettext("Member"), rows[0].identity.subject), (gettext("Role"), rows[0].get_role_display())]

    def form(self, rows: Sequence[Membership], data: Any = None) -> forms.Form:
        return RoleForm(data, initial={"role": rows[0].role})

    def perform(self, *, place: StaffPlace, ids: Sequence[UUID], data: dict[str, Any]) -> str:
        member = member_role_set(member_id=ids[0], role=Role(data["role"]), by_member_id=place.member_id)
        return gettext("Now %(role)s.") % {"role": member.get_role_display()}


@admin.register(Membership)
class MembershipAdmin(ScopedAdmin):
    list_display = ("identity", "role", "is_active", "created_at")
    list_select_related = ("identity",)
    search_fields = ("id", "identity__id", "identity__subject")
    search_help_text = _("The whole subject, or an id")
    inlines = (wallet_admin.WalletInline,)
    entry_actions = (SetRole(),)
