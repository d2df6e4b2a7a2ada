"""Mails to members about their address: rows first, sent when nothing is open, tried again until they are taken."""

from __future__ import annotations

import logging
import smtplib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts.models import Membership
from apps.accounts.wallet_models import NoticeKind, NoticeStatus, WalletChange, WalletNotice
from apps.core.doorbells import ring
from apps.core.remote import RemoteError, RemoteRejected, RemoteUnknown, refuse_inside_transaction
from apps.sites.models import Site
from apps.sites.scope import current_site_id, require_scope, site_scope

logger = logging.getLogger(__name__)

SWEEPER = "apps.accounts.tasks.sweep_wallet_notices"
# Above EMAIL_TIMEOUT for each of connecting, greeting and sending: a killed worker's notice is tried again after it.
LEASE = timedelta(seconds=60)
BACKOFF_LEAST_S, BACKOFF_MOST_S = 30, 3600
ATTEMPTS_MOST = 100  # four days
_REJECTED_FOR_GOOD = 500


@dataclass(frozen=True, slots=True)
class DueNotice:
    """What a mail needs, read before anything is sent. ``attempt`` is the lease: only its holder writes."""

    id: UUID
    attempt: int
    kind: NoticeKind
    to_email: str
    site_name: str
    new_address: str
    active_at: datetime | None

    def backoff(self) -> timedelta:
        return timedelta(seconds=min(BACKOFF_LEAST_S * 2 ** min(self.attempt, 10), BACKOFF_MOST_S))


def notice_add(
    *, member_id: UUID, kind: NoticeKind, change: WalletChange | None = None, to_email: str | None = None
) -> None:
    """STEP: tell the member, at ``to_email`` or the address that they gave. Without any the row only shows it."""
    member = Membership.objects.get(site_id=require_scope(), id=member_id)
    address = member.notice_email if to_email is None else to_email
    WalletNotice.objects.create(
        member=member,
        change=change,
        kind=kind,
        to_email=address,
        status=NoticeStatus.WAITING if address else NoticeStatus.NO_ADDRESS,
        next_attempt_at=Now() if address else None,
    )
    if address:
        ring(SWEEPER)


def notice_email_set(*, member_id: UUID, email: str) -> Membership:
    """ENTRY: where notices go. The former address is told, so that nobody is silenced unawares."""
    with site_scope() as site_id:
        member = Membership.objects.select_for_update(of=("self",)).select_related("identity")
        found = member.get(site_id=site_id, id=member_id)
        former = found.notice_email
        if former == email:
            return found
        Membership.objects.filter(site_id=site_id, id=member_id).update(notice_email=email)
        if former:
            notice_add(member_id=member_id, kind=NoticeKind.EMAIL, to_email=former)
        found.notice_email = email
        return found


def notices_send_due(limit: int) -> int:
    """ENTRY, twice for each: send the due notices of the bound site; how many were tried."""
    tried = 0
    while tried < limit and (notice := _lease()) is not None:
        try:
            mail_send(notice)
        except RemoteRejected as refusal:
            _write(notice, status=NoticeStatus.FAILED, next_attempt_at=None, error_code=refusal.code)
        except RemoteError as failure:
            _postpone(notice, failure.code)
        else:
            sent = {"status": NoticeStatus.SENT, "sent_at": Now(), "next_attempt_at": None, "error_code": ""}
            _write(notice, **sent)
        tried += 1
    return tried


def mail_send(notice: DueNotice) -> None:
    """Hand it to the mail server. Raises RemoteRejected when it refuses the address for good, RemoteUnknown.

    A repeat carries the same Message-ID, by which mail programs show it once.
    """
    refuse_inside_transaction()
    if not settings.EMAIL_READY:
        raise RemoteUnknown("mail_not_configured", "set EMAIL_URL and EMAIL_FROM")
    mail = EmailMessage(
        subject=subject_of(notice),
        body=body_of(notice),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[notice.to_email],
        headers={"Message-ID": f"<{notice.id}@{settings.DEFAULT_FROM_EMAIL.rpartition('@')[2].strip('>')}>"},
    )
    try:
        mail.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _said in error.recipients.values()]
        kind = RemoteRejected if min(codes) >= _REJECTED_FOR_GOOD else RemoteUnknown
        # `from None`: the error's own text holds the address.
        raise kind("mail_recipient_refused", str(min(codes))) from None
    except (smtplib.SMTPException, OSError) as error:
        logger.warning("notice %s: mail server: %s", notice.id, type(error).__name__)
        raise RemoteUnknown("mail_unavailable", type(error).__name__) from None


def subject_of(notice: DueNotice) -> str:
    """One line; a site's name has no line break (a header would end there)."""
    said = {
        NoticeKind.AWAITING_STAFF: _("Somebody asked to change your address"),
        NoticeKind.COOLING_OFF: _("Your address will change"),
        NoticeKind.STOPPED: _("The change of your address was stopped"),
        NoticeKind.DONE: _("Your address has changed"),
        NoticeKind.EMAIL: _("Your notices go elsewhere from now on"),
    }[notice.kind]
    return " ".join(f"{notice.site_name}: {said}".split())


def body_of(notice: DueNotice) -> str:
    """What happened, to which address, until when it can be stopped and how."""
    until = "" if notice.active_at is None else f"{notice.active_at:%Y-%m-%d %H:%M} UTC"
    values = {"address": notice.new_address, "until": until, "site": notice.site_name}
    text = {
        NoticeKind.AWAITING_STAFF: _(
            "Somebody asked that your tokens of %(site)s go to %(address)s, without a signature of your present "
            "wallet. Two members of staff have to approve it."
        ),
        NoticeKind.COOLING_OFF: _(
            "From %(until)s on your tokens of %(site)s go to %(address)s. Until then it can be stopped."
        ),
        NoticeKind.STOPPED: _(
            "Your tokens of %(site)s do not go to %(address)s; your wallet stays as it was."
        ),
        NoticeKind.DONE: _(
            "Your tokens of %(site)s go to %(address)s from now on. Payouts that were sent already keep their address."
        ),
        NoticeKind.EMAIL: _("Notices about your wallet at %(site)s go to another mail address from now on."),
    }[notice.kind]
    if notice.kind in (NoticeKind.AWAITING_STAFF, NoticeKind.COOLING_OFF, NoticeKind.EMAIL):
        text += "\n\n" + _(
            "Was it not you? Stop the change in your account, or write to the staff of the site at once."
        )
    return text % values


def _lease() -> DueNotice | None:
    with site_scope() as site_id:
        due = WalletNotice.objects.filter(site_id=site_id, next_attempt_at__lte=Now())
        row = (
            due.select_for_update(skip_locked=True, of=("self",))
            .select_related("change")
            .order_by("next_attempt_at", "id")
            .first()
        )
        if row is None:
            return None
        WalletNotice.objects.filter(site_id=site_id, id=row.id).update(
            attempts=F("attempts") + 1, next_attempt_at=Now() + LEASE
        )
        return DueNotice(
            id=row.id,
            attempt=row.attempts + 1,
            kind=NoticeKind(row.kind),
            to_email=row.to_email,
            site_name=Site.objects.values_list("name", flat=True).get(id=site_id),
            new_address=row.change.new_address if row.change else "",
            active_at=row.change.active_at if row.change else None,
        )


def _postpone(notice: DueNotice, code: str) -> None:
    if notice.attempt >= ATTEMPTS_MOST:
        _write(notice, status=NoticeStatus.FAILED, next_attempt_at=None, error_code=code)
    else:
        _write(notice, next_attempt_at=Now() + notice.backoff(), error_code=code)


def _write(notice: DueNotice, **fields: object) -> None:
    """ENTRY: the outcome, unless another worker has taken the notice over since."""
    with site_scope():
        rows = WalletNotice.objects.filter(
            site_id=current_site_id(), id=notice.id, status=NoticeStatus.WAITING, attempts=notice.attempt
        )
        rows.update(**fields)
