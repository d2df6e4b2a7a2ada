"""Proving an address: the message that is to be signed, and whether what came back is it, signed and in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.accounts.contract_signatures import signed_by_contract
from apps.accounts.queries import active_wallet
from apps.accounts.sign_in_message import InvalidMessage, SignInMessage, moment, parse_message
from apps.accounts.signatures import personal_digest, signature_bytes, signer_of
from apps.accounts.wallet_models import ProofMethod, ProofPurpose, WalletProof
from apps.accounts.wallet_nonces import nonce_expiry, nonce_make
from apps.core.problems import FieldError, Problem
from apps.core.remote import RemoteError
from apps.sites.models import Asset, Site
from apps.sites.scope import require_scope, site_scope

CLOCKS_DIFFER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """What a wallet gave back: the text, and "0x" with its signature."""

    message: str
    signature: str


@dataclass(frozen=True, slots=True)
class Meant:
    """What is to be proved: ``address`` signs, and says the sentence of ``purpose`` about ``other_address``."""

    purpose: ProofPurpose
    address: str
    other_address: str = ""

    def statement(self, site_code: str) -> str:
        """The sentence of EIP-4361, in English and ASCII as its grammar wants; a wallet shows it."""
        tokens = f"Tokens of {site_code} that are owed to me go"
        match self.purpose:
            case ProofPurpose.OWN:
                return f"{tokens} to this address."
            case ProofPurpose.LEAVE:
                return f"{tokens} to {self.other_address} from now on and no longer to this address."
            case ProofPurpose.MOVE:
                return f"{tokens} to this address from now on and no longer to {self.other_address}."


@dataclass(frozen=True, slots=True)
class Expected:
    """What a site wants in a message."""

    site_id: UUID
    site_code: str
    domain: str
    chain_ids: frozenset[int]


def message_for(*, member_id: UUID, purpose: ProofPurpose, address: str, chain_id: int) -> SignInMessage:
    """ENTRY: the message that a wallet has to sign; for a change, ``address`` is the new one. Writes nothing.

    Raises Problem 409 wallet_domain_missing, wallet_missing or wallet_same, 400 unknown_chain.
    """
    with site_scope():
        meant = meant_by(member_id=member_id, purpose=purpose, address=address)
        expected = _expected()
    if chain_id not in expected.chain_ids:
        raise Problem("unknown_chain", 400, _("This site has no asset on that chain."))
    now = timezone.now().replace(microsecond=0)
    nonce = nonce_make(site_id=expected.site_id, member_id=member_id, now=now)
    expiry = nonce_expiry(nonce=nonce, site_id=expected.site_id, member_id=member_id)
    assert expiry is not None  # it was made two lines above
    return SignInMessage(
        domain=expected.domain,
        address=meant.address,
        statement=meant.statement(expected.site_code),
        uri=f"https://{expected.domain}/",
        chain_id=chain_id,
        nonce=nonce,
        issued_at=_written(now),
        expiration_time=_written(expiry),
    )


def meant_by(*, member_id: UUID, purpose: ProofPurpose, address: str) -> Meant:
    """STEP: who has to sign what about ``address``. Raises Problem 409 wallet_missing or wallet_same."""
    require_scope()
    if purpose == ProofPurpose.OWN:
        return Meant(purpose, address)
    wallet = active_wallet(member_id=member_id)
    if wallet is None:
        raise Problem("wallet_missing", 409, _("You have no wallet here yet: register one."))
    if wallet.address == address:
        raise Problem("wallet_same", 409, _("Your tokens go to that address already."))
    if purpose == ProofPurpose.LEAVE:
        return Meant(purpose, wallet.address, address)
    return Meant(purpose, address, wallet.address)


def proof_check(*, member_id: UUID, meant: Meant, signed: SignedMessage) -> WalletProof:
    """ENTRY: the proof, checked and not saved. Asks a chain when a contract has to say whether it signed.

    Raises Problem 400 message_malformed, message_mismatch, nonce_unknown, message_expired, message_not_yet_valid,
    signature_malformed, signature_invalid; 409 wallet_domain_missing; 503 chain_unavailable.
    """
    try:
        said = parse_message(signed.message)
    except InvalidMessage as error:
        raise _refused(error.code, _("This is no message of EIP-4361."), error.field, str(error)) from error
    with site_scope():
        expected = _expected()
    _compare(said, meant, expected)
    expires_at = _in_time(said, expected.site_id, member_id, timezone.now())
    return WalletProof(
        site_id=expected.site_id,
        member_id=member_id,
        purpose=meant.purpose,
        address=meant.address,
        other_address=meant.other_address,
        chain_id=said.chain_id,
        method=_method(said, signed),
        nonce=said.nonce,
        message=signed.message,
        signature=signed.signature,
        expires_at=expires_at,
    )


def proof_store(proof: WalletProof) -> None:
    """STEP: use up the nonce. Raises Problem 409 nonce_used, of two at once for the second one."""
    site_id = require_scope()
    WalletProof.objects.bulk_create([proof], ignore_conflicts=True)
    if not WalletProof.objects.filter(site_id=site_id, id=proof.id).exists():
        raise Problem("nonce_used", 409, _("This message was used already. Ask for a new one and sign it."))


def _expected() -> Expected:
    """STEP: what the open scope's site wants."""
    site_id = require_scope()
    site = Site.objects.get(id=site_id)
    domain = site.wallet_domain or site.host or settings.RAILWAY_PUBLIC_DOMAIN
    if not domain:
        raise Problem(
            "wallet_domain_missing",
            409,
            _("This site does not say on which domain wallets sign. Its administrator has to set it."),
        )
    chains = Asset.objects.filter(site_id=site_id).values_list("chain_id", flat=True)
    return Expected(site_id, site.code, domain, frozenset(chains))


def _compare(said: SignInMessage, meant: Meant, expected: Expected) -> None:
    """Every part is what we asked for: a message that was signed for anything else proves nothing here."""
    uri = urlsplit(said.uri)
    wrong = {
        "domain": said.domain != expected.domain,
        "scheme": said.scheme not in (None, "https", uri.scheme),
        "uri": uri.netloc != expected.domain or uri.scheme not in ("https", "http"),
        "address": said.address != meant.address,
        "statement": said.statement != meant.statement(expected.site_code),
        "chain_id": said.chain_id not in expected.chain_ids,
        "request_id": said.request_id is not None,
        # Resources may carry rights (EIP-5573); none were asked for.
        "resources": said.resources is not None,
    }
    errors = [
        FieldError(field=field, code="mismatch", detail=_("Not what was asked for."))
        for field, is_wrong in wrong.items()
        if is_wrong
    ]
    if errors:
        raise Problem(
            "message_mismatch", 400, _("This is not the message that was asked for."), errors=errors
        )


def _in_time(said: SignInMessage, site_id: UUID, member_id: UUID, now: datetime) -> datetime:
    """When the proof has to be stored at the latest."""
    nonce_ends = nonce_expiry(nonce=said.nonce, site_id=site_id, member_id=member_id)
    if nonce_ends is None:
        raise Problem("nonce_unknown", 400, _("This nonce was not given to you. Ask for a new message."))
    ends = min(nonce_ends, moment(said.expiration_time)) if said.expiration_time else nonce_ends
    if ends <= now:
        raise Problem("message_expired", 400, _("This message has expired. Ask for a new one and sign it."))
    begins = max(moment(said.issued_at), moment(said.not_before or said.issued_at))
    if begins > now + CLOCKS_DIFFER:
        raise Problem("message_not_yet_valid", 400, _("This message is not valid yet."))
    return ends


def _method(said: SignInMessage, signed: SignedMessage) -> ProofMethod:
    try:
        raw = signature_bytes(signed.signature)
    except ValueError as error:
        raise _refused("signature_malformed", _("This is no signature."), "signature", str(error)) from error
    digest = personal_digest(signed.message)
    if signer_of(digest, raw) == said.address:
        return ProofMethod.EIP191
    try:
        is_signed = signed_by_contract(
            chain_id=said.chain_id, address=said.address, digest=digest, signature=raw
        )
    except RemoteError as error:
        raise Problem(
            "chain_unavailable",
            503,
            _("The chain cannot be asked now whether this signature holds. Try again."),
            retry_after_s=5,
        ) from error
    if not is_signed:
        raise Problem("signature_invalid", 400, _("This address did not sign that message."))
    return ProofMethod.EIP1271


def _refused(code: str, detail: str, field: str, why: str) -> Problem:
    return Problem(code, 400, detail, errors=[FieldError(field=field, code=code, detail=why)])


def _written(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
