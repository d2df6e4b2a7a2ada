"""Wallets of the caller: registering, proving and changing them; approving and stopping changes for staff."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts.member_view import OPERATORS, STAFF, MemberView
from apps.accounts.notices import notice_email_set
from apps.accounts.queries import active_wallet, changes_of, changes_of_site, wallets_of
from apps.accounts.serializers import MeSerializer, me_document
from apps.accounts.services import wallet_register
from apps.accounts.sign_in_message import moment
from apps.accounts.wallet_changes import change_approve, change_request, change_stop
from apps.accounts.wallet_models import ChangeStatus, ProofPurpose
from apps.accounts.wallet_proofs import message_for
from apps.accounts.wallet_serializers import (
    ChangeFilterSerializer,
    ChangeRequestSerializer,
    ChangeSerializer,
    MessageRequestSerializer,
    MessageSerializer,
    NoticeEmailSerializer,
    StaffChangeSerializer,
    StopRequestSerializer,
    WalletRequestSerializer,
    WalletSerializer,
)
from apps.core.paging import KeysetPagination
from apps.core.shapes import PROBLEM
from apps.sites.scope import site_scope

_REFUSED = {400: PROBLEM, 409: PROBLEM, 503: PROBLEM}
_STATUS = OpenApiParameter("status", str, enum=ChangeStatus.values, description="Only changes in this state.")


class WalletsView(MemberView):
    """The caller's wallets."""

    pagination_class = KeysetPagination
    keyset = ("-created_at", "-id")

    @extend_schema(operation_id="wallets_list", responses=WalletSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Your wallets, the newest first."""
        with self.reading() as member:
            page = KeysetPagination()
            rows = page.paginate_queryset(wallets_of(member_id=member.id), request, self)
            return page.get_paginated_response(WalletSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="wallets_register",
        request=WalletRequestSerializer,
        responses={200: WalletSerializer, 201: WalletSerializer, **_REFUSED},
    )
    def post(self, request: Request) -> Response:
        """Register the address that your tokens go to, and prove it.

        The same again is 200; another one is 409 `wallet_exists`. With `proof` it is proved, also later: 400
        `message_malformed`, `message_mismatch` (`errors` names the parts), `message_expired`,
        `message_not_yet_valid`, `nonce_unknown`, `signature_malformed`, `signature_invalid`; 409 `nonce_used`,
        `wallet_domain_missing`; 503 `chain_unavailable`: send it again.
        """
        asked = WalletRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wish = asked.validated_data
        with self.writing() as member:
            wallet, is_new = wallet_register(
                member_id=member.id, address=wish["address"], signed=wish.get("proof")
            )
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(WalletSerializer(wallet).data, status=code)


class WalletMessagesView(MemberView):
    """Messages to be signed."""

    @extend_schema(
        operation_id="wallets_message",
        request=MessageRequestSerializer,
        responses={200: MessageSerializer, 400: PROBLEM, 409: PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """A message of Sign-In with Ethereum for your wallet to sign: good for 15 minutes, and once.

        400 `unknown_chain`; 409 `wallet_missing` (there is none to change), `wallet_same`, `wallet_domain_missing`.
        """
        asked = MessageRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wish = asked.validated_data
        with self.writing() as member:
            message = message_for(
                member_id=member.id,
                purpose=ProofPurpose(wish["purpose"]),
                address=wish["address"],
                chain_id=wish["chain_id"],
            )
        expires_at = moment(message.expiration_time or message.issued_at)
        return Response(MessageSerializer({"message": str(message), "expires_at": expires_at}).data)


class WalletChangesView(MemberView):
    """The caller's changes of their address."""

    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(operation_id="wallet_changes_list", responses=ChangeSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Your changes of address, the newest first."""
        with self.reading() as member:
            page = KeysetPagination()
            rows = page.paginate_queryset(changes_of(member_id=member.id), request, self)
            return page.get_paginated_response(ChangeSerializer(rows, many=True).data)

    @extend_schema(
        operation_id="wallet_changes_create",
        request=ChangeRequestSerializer,
        responses={200: ChangeSerializer, 201: ChangeSerializer, **_REFUSED},
    )
    def post(self, request: Request) -> Response:
        """Ask for another address. It becomes active after the site's cooling-off; the same request again is 200.

        With both proofs the cooling-off begins at once; without `old_proof` give a `reason`, and two members of staff
        have to approve. 400 `reason_missing` and those of `POST wallets/`; 409 `wallet_change_open`,
        `wallet_missing`, `wallet_same`, `nonce_used`; 503 `chain_unavailable`.
        """
        asked = ChangeRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.writing() as member:
            change, is_new = change_request(member_id=member.id, **asked.validated_data)
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return Response(_shown(ChangeSerializer, change.id), status=code)


class WalletChangeStopView(MemberView):
    """One of the caller's changes."""

    @extend_schema(
        operation_id="wallet_changes_stop",
        request=StopRequestSerializer,
        responses={200: ChangeSerializer, 400: PROBLEM, 404: PROBLEM, 409: PROBLEM},
    )
    def post(self, request: Request, change_id: UUID) -> Response:
        """Stop a change of your address before it is active. 409 `wallet_change_decided`."""
        asked = StopRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.writing() as member:
            change_stop(
                change_id=change_id,
                by_member_id=member.id,
                of_member_id=member.id,
                reason=asked.validated_data["reason"],
            )
        return Response(_shown(ChangeSerializer, change_id))


class NoticeEmailView(MemberView):
    """Where the caller's notices go."""

    @extend_schema(
        operation_id="me_email",
        request=NoticeEmailSerializer,
        responses={200: MeSerializer, 400: PROBLEM},
    )
    def post(self, request: Request) -> Response:
        """Say where notices about your wallet go; the former mail address is told."""
        asked = NoticeEmailSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.writing() as member:
            found = notice_email_set(member_id=member.id, email=asked.validated_data["email"])
        with site_scope():
            return Response(me_document(found, active_wallet(member_id=found.id)))


class StaffWalletChangesView(MemberView):
    """The site's changes of addresses."""

    read_roles = STAFF
    pagination_class = KeysetPagination
    keyset = ("-id",)

    @extend_schema(
        operation_id="staff_wallet_changes_list",
        parameters=[_STATUS],
        responses={200: StaffChangeSerializer(many=True), 400: PROBLEM, 403: PROBLEM},
    )
    def get(self, request: Request) -> Response:
        """The changes of address in this site, the newest first."""
        wanted = ChangeFilterSerializer(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        state = wanted.validated_data.get("status")
        with self.reading():
            page = KeysetPagination()
            changes = changes_of_site(status=ChangeStatus(state) if state else None)
            rows = page.paginate_queryset(changes, request, self)
            return page.get_paginated_response(StaffChangeSerializer(rows, many=True).data)


class StaffWalletChangeApproveView(MemberView):
    """One change whose old key is lost."""

    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_wallet_changes_approve",
        request=None,
        responses={200: StaffChangeSerializer, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM},
    )
    def post(self, request: Request, change_id: UUID) -> Response:
        """Approve a change without the old signature; with the second person's the cooling-off begins.

        Make sure first that it is the beneficiary who asks. 403 `second_person_needed`: never your own, and never
        twice; 409 `wallet_change_decided`.
        """
        with self.writing() as member:
            change_approve(change_id=change_id, by_member_id=member.id)
        return Response(_shown(StaffChangeSerializer, change_id))


class StaffWalletChangeStopView(MemberView):
    """One change that should not become active."""

    write_roles = OPERATORS

    @extend_schema(
        operation_id="staff_wallet_changes_stop",
        request=StopRequestSerializer,
        responses={200: StaffChangeSerializer, 400: PROBLEM, 403: PROBLEM, 404: PROBLEM, 409: PROBLEM},
    )
    def post(self, request: Request, change_id: UUID) -> Response:
        """Stop a change before it is active; the beneficiary is told. 409 `wallet_change_decided`."""
        asked = StopRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        with self.writing() as member:
            change_stop(change_id=change_id, by_member_id=member.id, reason=asked.validated_data["reason"])
        return Response(_shown(StaffChangeSerializer, change_id))


def _shown(serializer: type[ChangeSerializer], change_id: UUID) -> dict[str, object]:
    with site_scope():
        return dict(serializer(changes_of_site().get(id=change_id)).data)
