"""Where providers announce events: verify the raw bytes, write the event down, answer. Nothing else happens here."""

from __future__ import annotations

import logging
from typing import ClassVar

from django.conf import settings
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.core.problems import Problem
from apps.webhooks.announcements import Announcement, fireblocks_announcement, stripe_announcement
from apps.webhooks.models import Provider
from apps.webhooks.services import event_receive
from apps.webhooks.signatures import (
    FIREBLOCKS_V1_HEADER,
    FIREBLOCKS_V2_HEADER,
    BadSignature,
    KeySource,
    KeysUnavailable,
    UnreadableEvent,
    verify_fireblocks,
    verify_stripe,
)

logger = logging.getLogger("posx.webhooks")

MAX_BODY_BYTES = 512 * 1024
_PROBLEM = OpenApiResponse(description="A problem document (RFC 9457); `code` says which.")
_ANSWERS = {
    200: inline_serializer("WebhookReceived", {"received": serializers.BooleanField()}),
    400: _PROBLEM,
    413: _PROBLEM,
    503: _PROBLEM,
}


class WebhookView(APIView):
    """Signed by a provider for all sites: no user, no site, and no throttle, since providers retry by own rules."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
    provider: ClassVar[Provider]

    def announced(self, request: Request, raw: bytes) -> Announcement:
        """The verified event. Raises BadSignature, UnreadableEvent or KeysUnavailable."""
        raise NotImplementedError

    def receive(self, request: Request) -> Response:
        """Verify, write down, answer 200 once that is committed; a replay gets the same answer."""
        try:
            announcement = self.announced(request, _raw_body(request))
        except (BadSignature, UnreadableEvent, KeysUnavailable) as refusal:
            logger.warning("Refused %s webhook: %s", self.provider.label, refusal.code)
            raise _problem(refusal) from refusal
        is_new = event_receive(announcement=announcement)
        logger.info(
            "Received %s webhook: %s %s%s",
            self.provider.label,
            announcement.event_type,
            announcement.event_id,
            "" if is_new else " (again)",
            extra={"event_type": announcement.event_type, "event_id": announcement.event_id},
        )
        return Response({"received": True})

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """JSON whatever is asked for: a 406 would lose the event."""
        return super().perform_content_negotiation(request, force=True)


class StripeWebhookView(WebhookView):
    """Events of Stripe's API v1."""

    provider = Provider.STRIPE

    @extend_schema(
        operation_id="webhooks_stripe",
        request=OpenApiTypes.OBJECT,
        parameters=[OpenApiParameter("Stripe-Signature", str, OpenApiParameter.HEADER, required=True)],
        responses=_ANSWERS,
    )
    def post(self, request: Request) -> Response:
        """For Stripe only: an event signed with one of STRIPE_WEBHOOK_SECRETS."""
        return self.receive(request)

    def announced(self, request: Request, raw: bytes) -> Announcement:
        """Signed with any of the configured secrets."""
        header = request.headers.get("Stripe-Signature", "")
        return stripe_announcement(verify_stripe(raw, header, settings.STRIPE_WEBHOOK_SECRETS), raw)


class FireblocksWebhookView(WebhookView):
    """Events of Fireblocks' webhooks v2 and v1."""

    provider = Provider.FIREBLOCKS

    @extend_schema(
        operation_id="webhooks_fireblocks",
        request=OpenApiTypes.OBJECT,
        parameters=[
            OpenApiParameter(FIREBLOCKS_V2_HEADER, str, OpenApiParameter.HEADER),
            OpenApiParameter(FIREBLOCKS_V1_HEADER, str, OpenApiParameter.HEADER),
        ],
        responses=_ANSWERS,
    )
    def post(self, request: Request) -> Response:
        """For Fireblocks only: an event with a signature of webhooks v2 (JWS) or v1 (RSA)."""
        return self.receive(request)

    def announced(self, request: Request, raw: bytes) -> Announcement:
        """Signed with a key of the published set or a configured one."""
        return fireblocks_announcement(
            verify_fireblocks(raw, request.headers, KeySource.from_settings()), raw
        )


def _raw_body(request: Request) -> bytes:
    """The bytes that were signed, unparsed. Raises Problem 413."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
        raise Problem("body_too_large", 413, _("The body is too large."))
    body: bytes = request._request.body
    return body


def _problem(refusal: BadSignature | UnreadableEvent | KeysUnavailable) -> Problem:
    match refusal:
        case BadSignature():
            return Problem("bad_signature", 400, _("The signature does not fit the body."))
        case UnreadableEvent():
            return Problem("unreadable_event", 400, _("The body is no event that can be read here."))
        case _:
            # Anything below 500 would not be sent again.
            return Problem(
                refusal.code, 503, _("The signature cannot be checked now. Send it again."), retry_after_s=30
            )
