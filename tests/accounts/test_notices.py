"""Notices to beneficiaries: rows first, then a real mail server, again until it takes them."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.db import connection

from apps.accounts.models import WalletNotice
from apps.accounts.notices import DueNotice, mail_send, notices_send_due
from apps.accounts.wallet_models import NoticeKind
from apps.core.context import acting_as
from apps.core.remote import RemoteInsideTransaction
from apps.sites.scope import bind_site
from config import parsers
from config.mail import mail_server
from tests.accounts.mail_peer import MailPeer
from tests.accounts.signing import CHANGES, Holder
from tests.factories import in_site, make_change, make_member, make_wallet

pytestmark = pytest.mark.usefixtures("database", "bells_lost")
EMAIL = "/api/v1/me/email/"
TO = "holder@example.test"


@pytest.fixture
def peer(settings: Any) -> Any:
    """A mail server, and Django's settings for it."""
    with MailPeer() as running:
        server = mail_server(parsers.mail_url(f"smtp://127.0.0.1:{running.port}"))
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.host, server.port
        settings.DEFAULT_FROM_EMAIL = "posx@example.test"
        yield running


def told(holder: Holder) -> None:
    assert holder.client.post(EMAIL, {"email": TO}).status_code == 200


def send(holder: Holder) -> int:
    with acting_as("task", "test"), bind_site(holder.site.id):
        return notices_send_due(10)


def due_again(holder: Holder) -> None:
    with in_site(holder.site), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_walletnotice SET next_attempt_at = now() WHERE next_attempt_at IS NOT NULL"
        )


def notices(holder: Holder) -> list[WalletNotice]:
    with in_site(holder.site):
        return list(WalletNotice.objects.order_by("id"))


def test_a_mail_server_is_told_of_the_change_and_of_its_end(peer: MailPeer) -> None:
    holder = Holder()
    told(holder)
    holder.change()

    assert send(holder) == 1

    [taken] = peer.taken
    assert (taken.sender, taken.to) == ("posx@example.test", [TO])
    text = taken.text()
    assert holder.new.address in text and "Sale NA" in taken.subject()
    [notice] = notices(holder)
    assert f"{notice.id}@example.test" in taken.header("Message-ID")
    assert (notice.status, notice.sent_at is not None) == ("sent", True)
    assert send(holder) == 0


def test_a_busy_server_is_asked_again_with_the_same_mail(peer: MailPeer) -> None:
    holder = Holder()
    told(holder)
    holder.change()
    peer.answer_to_recipient = "451 4.3.0 try again later"

    assert send(holder) == 1
    [waiting] = notices(holder)
    assert (waiting.status, waiting.error_code) == ("waiting", "mail_recipient_refused")
    assert send(holder) == 0  # not due yet

    peer.answer_to_recipient = "250 ok"
    due_again(holder)
    assert send(holder) == 1
    assert [notice.status for notice in notices(holder)] == ["sent"]


def test_an_address_that_nobody_has_is_given_up(peer: MailPeer) -> None:
    holder = Holder()
    told(holder)
    holder.change()
    peer.answer_to_recipient = "550 5.1.1 no such user"

    send(holder)

    [notice] = notices(holder)
    assert (notice.status, notice.next_attempt_at) == ("failed", None)


def test_a_server_that_is_away_loses_nothing(peer: MailPeer) -> None:
    holder = Holder()
    told(holder)
    holder.change()
    peer.close()

    send(holder)

    [notice] = notices(holder)
    assert (notice.status, notice.error_code, notice.attempts) == ("waiting", "mail_unavailable", 1)


def test_without_a_server_notices_wait(settings: Any) -> None:
    settings.EMAIL_READY = False
    holder = Holder()
    told(holder)
    holder.change()

    send(holder)

    [notice] = notices(holder)
    assert (notice.status, notice.error_code) == ("waiting", "mail_not_configured")
    assert mail.outbox == []


def test_who_gave_no_address_has_a_row_and_no_mail() -> None:
    holder = Holder()
    holder.change()
    assert send(holder) == 0
    assert [notice.status for notice in notices(holder)] == ["no_address"]


def test_a_stop_and_another_mail_address_are_told() -> None:
    holder = Holder()
    told(holder)
    change_id = holder.change().json()["id"]
    holder.client.post(f"{CHANGES}{change_id}/stop/", {"reason": "not me"})
    holder.client.post(EMAIL, {"email": "thief@example.test"})

    send(holder)

    assert [sent.to for sent in mail.outbox] == [[TO], [TO], [TO]]
    assert "stopped" in mail.outbox[1].subject and "elsewhere" in mail.outbox[2].subject
    me = holder.client.get("/api/v1/me/").json()
    assert me["notice_email"] == "thief@example.test"


@pytest.mark.parametrize(
    "email", ["no address", "a@b\r\nBcc: x@example.test", "x" * 250 + "@example.test", None]
)
def test_what_is_no_mail_address_is_refused(email: str | None) -> None:
    assert Holder().client.post(EMAIL, {"email": email}).status_code == 400


def test_a_sites_name_puts_no_line_into_the_head(peer: MailPeer) -> None:
    holder = Holder(name="Sale\r\nBcc: thief@example.test")
    told(holder)
    holder.change()
    send(holder)
    [taken] = peer.taken
    assert taken.to == [TO] and taken.header("Bcc") == ""


def test_nothing_is_sent_inside_a_transaction() -> None:
    holder = Holder()
    notice = DueNotice(holder.member.id, 1, NoticeKind.DONE, TO, "Sale", holder.new.address, None)
    with in_site(holder.site), pytest.raises(RemoteInsideTransaction):
        mail_send(notice)
    assert mail.outbox == []


def test_a_worker_that_was_overtaken_writes_no_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    holder = Holder()
    told(holder)
    holder.change()

    def slow(_notice: DueNotice) -> None:
        due_again(holder)
        monkeypatch.setattr("apps.accounts.notices.mail_send", lambda _notice: None)
        send(holder)  # another worker, meanwhile
        raise OSError("the first one fails afterwards")

    monkeypatch.setattr("apps.accounts.notices.mail_send", slow)
    with pytest.raises(OSError):
        send(holder)

    assert [(notice.status, notice.attempts) for notice in notices(holder)] == [("sent", 2)]


def test_one_members_notices_are_not_anothers() -> None:
    holder = Holder()
    told(holder)
    make_change(make_wallet(make_member(holder.site)))
    holder.change()
    send(holder)
    assert [sent.to for sent in mail.outbox] == [[TO]]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp+starttls://me%40x:p%3Aw@mail.test", ("mail.test", 587, "me@x", "p:w", True, False)),
        ("smtps://mail.test", ("mail.test", 465, "", "", False, True)),
        ("smtp://mail.test:2525", ("mail.test", 2525, "", "", False, False)),
    ],
)
def test_a_mail_server_is_read_from_one_address(url: str, expected: tuple[Any, ...]) -> None:
    server = mail_server(parsers.mail_url(url))
    assert (
        server.host,
        server.port,
        server.user,
        server.password,
        server.use_tls,
        server.use_ssl,
    ) == expected
    assert "p:w" not in repr(server)


@pytest.mark.parametrize("url", ["mail.test", "http://mail.test", "smtp://", "smtp://mail.test/x"])
def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        parsers.mail_url(url)
