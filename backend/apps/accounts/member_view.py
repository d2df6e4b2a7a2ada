"""The base of every endpoint for members of a site: who is asking, in which site, with which role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from django.utils.translation import gettext as _
from rest_framework.permissions import AllowAny
from rest_framework.views import APIView

from apps.accounts.models import Membership, Role
from apps.accounts.queries import active_member
from apps.core.context import acting_as
from apps.core.problems import Problem
from apps.sites.scope import site_scope

EVERYONE = frozenset(Role)
STAFF = frozenset({Role.OPERATOR, Role.APPROVER, Role.AUDITOR})
# An approver may do an operator's work too; who requested a batch is still never who approves it.
OPERATORS = frozenset({Role.OPERATOR, Role.APPROVER})
APPROVERS = frozenset({Role.APPROVER})


class MemberView(APIView):
    """Handlers open ``reading()`` or ``writing()``; the roles that each admits are declared on the class."""

    read_roles: ClassVar[frozenset[Role]] = EVERYONE
    write_roles: ClassVar[frozenset[Role]] = EVERYONE
    # Methods that a caller who is no member yet may use; they open neither reading() nor writing().
    newcomer_methods: ClassVar[frozenset[str]] = frozenset()

    @contextmanager
    def reading(self) -> Iterator[Membership]:
        """One site scope around the whole read; yields the caller's membership."""
        with site_scope():
            yield self._member(self.read_roles)

    @contextmanager
    def writing(self) -> Iterator[Membership]:
        """The caller as actor, without a transaction: the service called inside opens its own."""
        with site_scope():
            member = self._member(self.write_roles)
        with acting_as("user", str(member.id)):
            yield member

    def _member(self, roles: frozenset[Role]) -> Membership:
        member = active_member(subject=str(self.request.user.pk))
        if member is None:
            # As if the site did not exist: who belongs to it is nobody else's business.
            raise Problem("unknown_site", 404, _("There is no such site."))
        if Role(member.role) not in roles:
            raise Problem("permission_denied", 403, _("Your role in this site does not allow this."))
        return member


class PublicSiteView(APIView):
    """An endpoint of a site that anybody may read; it opens ``site_scope()`` itself."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
