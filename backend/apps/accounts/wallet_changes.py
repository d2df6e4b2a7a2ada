"""Another address for a member: asked for, approved by staff when the old key is lost, stopped, or done in time.

Locks (docs/locking.md): the change, then the member's wallet, then what the follower takes.
"""

from __future__ import annotations

from uuid import UUID

from django.db.models.functions import Now
from django.utils.translation import gettext as _

from apps.accounts.models import Membership, Role
from apps.accounts.notices import notice_add
from apps.accounts.queries import open_change
from apps.accounts.wallet_followers import announce_change
from apps.accounts.wallet_models import (
    OPEN_CHANGES,
    ChangeStatus,
    NoticeKind,
    ProofPurpose,
    Wallet,
    WalletChange,
    WalletProof,
)
from apps.accounts.wallet_proofs import SignedMessage, meant_by, proof_check, proof_store
from apps.core.problems import Problem
from apps.sites.scope import current_site_id, require_scope, site_scope

_STAFF = (Role.OPERATOR, Role.APPROVER)


class ChangeMoved(RuntimeError):
    """A locked change or wallet was not what its lock promised; the transaction must not commit."""


def change_request(
    *,
    member_id: UUID,
    new_address: str,
    new_proof: SignedMessage,
    old_proof: SignedMessage | None = None,
    reason: str = "",
) -> tuple[WalletChange, bool]:
    """ENTRY: ask for another address. Returns (change, whether it is new); the same proofs again are the same change.

    With both signatures the cooling-off begins; without the old one two members of staff have to approve, and
    ``reason`` tells them why. Raises Problem 400 reason_missing, 409 wallet_missing, wallet_same,
    wallet_change_open, and what proof_check and proof_store raise.
    """
    if old_proof is None and not reason:
        raise Problem("reason_missing", 400, _("Without the old key, say what became of it."))
    with site_scope():
        if (known := _repeated(member_id, new_address, new_proof)) is not None:
            return known, False
        meant = [
            (meant_by(member_id=member_id, purpose=purpose, address=new_address), signed)
            for purpose, signed in ((ProofPurpose.MOVE, new_proof), (ProofPurpose.LEAVE, old_proof))
            if signed is not None
        ]
    checked = [proof_check(member_id=member_id, meant=each, signed=signed) for each, signed in meant]
    with site_scope():
        wallet = _locked_wallet(member_id)
        if open_change(member_id=member_id) is not None:
            raise Problem(
                "wallet_change_open", 409, _("A change of your address is under way: stop it first.")
            )
        if wallet is None or wallet.address != checked[0].other_address:
            # Between the look and the lock another change was done: these signatures speak of a former wallet.
            raise Problem("wallet_missing", 409, _("Your wallet has changed meanwhile. Ask again."))
        for proof in checked:
            proof_store(proof)
        change = _add(wallet, new_address, checked, reason)
        notice_add(member_id=member_id, kind=NoticeKind(change.status), change=change)
        return change, True


def change_approve(*, change_id: UUID, by_member_id: UUID) -> WalletChange:
    """ENTRY: one member of staff approves; with the second one the cooling-off begins.

    Raises Problem 404 not_found, 409 wallet_change_decided, 403 second_person_needed (the beneficiary, or the same
    person again), 403 permission_denied.
    """
    with site_scope() as site_id:
        change = _locked(change_id)
        if change.status != ChangeStatus.AWAITING_STAFF:
            raise _decided()
        staff = Membership.objects.filter(
            site_id=site_id, id=by_member_id, is_active=True, role__in=_STAFF
        ).exists()
        if not staff:
            raise Problem("permission_denied", 403, _("Your role in this site does not allow this."))
        # A CHECK stands behind this; here it only gets a readable answer.
        if by_member_id in (change.member_id, change.first_approver_id):
            raise Problem("second_person_needed", 403, _("Another member of staff has to approve this."))
        if change.first_approver_id is None:
            return _step(change, ChangeStatus.AWAITING_STAFF, first_approver_id=by_member_id)
        change = _step(change, ChangeStatus.COOLING_OFF, second_approver_id=by_member_id)
        notice_add(member_id=change.member_id, kind=NoticeKind.COOLING_OFF, change=change)
        return change


def change_stop(
    *, change_id: UUID, by_member_id: UUID, reason: str, of_member_id: UUID | None = None
) -> WalletChange:
    """ENTRY: stop a change that is not done yet; with ``of_member_id`` only one of that member's own.

    Raises Problem 404 not_found, 409 wallet_change_decided.
    """
    with site_scope():
        change = _locked(change_id)
        if of_member_id is not None and change.member_id != of_member_id:
            raise _unknown()
        if change.status not in OPEN_CHANGES:
            raise _decided()
        change = _step(
            change,
            ChangeStatus.STOPPED,
            stopped_by_id=by_member_id,
            stop_reason=reason,
            finished_at=Now(),
        )
        notice_add(member_id=change.member_id, kind=NoticeKind.STOPPED, change=change)
        return change


def changes_do_due(limit: int) -> int:
    """ENTRY, once for each: do the changes of the bound site whose cooling-off has ended; how many."""
    done = 0
    while done < limit and change_do_next():
        done += 1
    return done


def change_do_next() -> bool:
    """ENTRY: do the change that has been due longest, if nobody else is at it; whether there was one."""
    with site_scope() as site_id:
        due = WalletChange.objects.filter(
            site_id=site_id, status=ChangeStatus.COOLING_OFF, active_at__lte=Now()
        )
        change = due.select_for_update(skip_locked=True).order_by("active_at", "id").first()
        if change is None:
            return False
        wallet = _locked_wallet(change.member_id)
        if wallet is None or wallet.id != change.old_wallet_id:
            raise ChangeMoved(f"the active wallet of change {change.id} is another one")
        Wallet.objects.filter(site_id=site_id, id=wallet.id).update(is_active=False)
        new_wallet = Wallet.objects.create(member_id=change.member_id, address=change.new_address)
        change = _step(change, ChangeStatus.DONE, new_wallet_id=new_wallet.id, finished_at=Now())
        announce_change(change.member_id)
        notice_add(member_id=change.member_id, kind=NoticeKind.DONE, change=change)
        return True


def _add(wallet: Wallet, new_address: str, proofs: list[WalletProof], reason: str) -> WalletChange:
    has_both = len(proofs) > 1
    change = WalletChange.objects.create(
        member_id=wallet.member_id,
        old_wallet=wallet,
        new_address=new_address,
        status=ChangeStatus.COOLING_OFF if has_both else ChangeStatus.AWAITING_STAFF,
        new_proof=proofs[0],
        old_proof=proofs[1] if has_both else None,
        reason=reason,
    )
    change.refresh_from_db()  # when it is active is PostgreSQL's to say
    return change


def _repeated(member_id: UUID, new_address: str, new_proof: SignedMessage) -> WalletChange | None:
    """STEP: the member's open change that these very bytes have begun."""
    change = open_change(member_id=member_id)
    if change is None or change.new_address != new_address:
        return None
    stored = WalletProof.objects.get(site_id=require_scope(), id=change.new_proof_id)
    is_same = (stored.message, stored.signature) == (new_proof.message, new_proof.signature)
    return change if is_same else None


def _locked_wallet(member_id: UUID) -> Wallet | None:
    """STEP: the member's active wallet, or None when it was left while we waited. Whoever pays to it holds it too."""
    active = Wallet.objects.filter(site_id=current_site_id(), member_id=member_id, is_active=True)
    return active.select_for_update().first()


def _locked(change_id: UUID) -> WalletChange:
    change = WalletChange.objects.select_for_update().filter(site_id=current_site_id(), id=change_id).first()
    if change is None:
        raise _unknown()
    return change


def _step(change: WalletChange, status: ChangeStatus, **fields: object) -> WalletChange:
    rows = WalletChange.objects.filter(site_id=current_site_id(), id=change.id, status=change.status)
    if rows.update(status=status, **fields) != 1:
        raise ChangeMoved(f"change {change.id} is no longer {change.status}")
    change.refresh_from_db()
    return change


def _unknown() -> Problem:
    return Problem("not_found", 404, _("There is no such change."))


def _decided() -> Problem:
    return Problem("wallet_change_decided", 409, _("This change is approved, done or stopped already."))
