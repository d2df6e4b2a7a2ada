"""Messages of Sign-In with Ethereum (EIP-4361): read strictly by its grammar, written the same way.

Source: the ABNF of EIP-4361 with the rules that it takes from RFC 3986 (URI, authority) and RFC 3339 (date-time).
Pure: knows no site, no nonce and no clock; ``wallet_proofs`` decides whether a message is one that we want.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv6Address

from apps.accounts.addresses import InvalidAddress, checksum_address

MESSAGE_MOST_CHARACTERS = 4000
CHAIN_ID_MOST = 2**63 - 1  # the column's

_PREAMBLE = " wants you to sign in with your Ethereum account:"
_UNRESERVED = r"A-Za-z0-9\-._~"
_SUB_DELIMS = r"!$&'()*+,;="
_PERCENT = r"%[0-9A-Fa-f]{2}"
_PCHAR = rf"(?:[{_UNRESERVED}{_SUB_DELIMS}:@]|{_PERCENT})"
_SCHEME = r"[A-Za-z][A-Za-z0-9+\-.]*"
_AUTHORITY = (
    rf"(?:(?:[{_UNRESERVED}{_SUB_DELIMS}:]|{_PERCENT})*@)?"
    rf"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?:[{_UNRESERVED}{_SUB_DELIMS}]|{_PERCENT})+)(?::[0-9]*)?"
)
_SEGMENTS = rf"(?:/{_PCHAR}*)*"
_HIER = rf"(?://(?P<authority>{_AUTHORITY})?{_SEGMENTS}|/(?:{_PCHAR}+{_SEGMENTS})?|{_PCHAR}+{_SEGMENTS}|)"
_URI = re.compile(rf"{_SCHEME}:{_HIER}(?:\?(?:{_PCHAR}|[/?])*)?(?:#(?:{_PCHAR}|[/?])*)?")
_DOMAIN = re.compile(rf"(?:(?P<scheme>{_SCHEME})://)?(?P<domain>{_AUTHORITY})")
# reserved / unreserved / " " of RFC 3986: no per cent sign, no quotation mark, nothing beyond ASCII.
_STATEMENT = re.compile(rf"[{_UNRESERVED}{_SUB_DELIMS}:/?#\[\]@ ]+")
_CHAIN_ID = re.compile(r"0|[1-9][0-9]{0,18}")  # no zeros in front: one number has one text
_NONCE = re.compile(r"[A-Za-z0-9]{8,}")
_REQUEST_ID = re.compile(rf"{_PCHAR}*")
_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d+))?([Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)


class InvalidMessage(ValueError):
    """Not a message of EIP-4361; ``code`` is stable and ``field`` says which part."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.code = "message_malformed"
        self.field = field


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInMessage:
    """The parts of a message. Times are as they were written; ``moment`` reads them."""

    domain: str
    address: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: str
    scheme: str | None = None
    statement: str | None = None
    expiration_time: str | None = None
    not_before: str | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None

    def __str__(self) -> str:
        """The text that a wallet signs."""
        origin = self.domain if self.scheme is None else f"{self.scheme}://{self.domain}"
        lines = [f"{origin}{_PREAMBLE}", self.address, ""]
        lines += [] if self.statement is None else [self.statement]
        lines += ["", f"URI: {self.uri}", "Version: 1", f"Chain ID: {self.chain_id}"]
        lines += [f"Nonce: {self.nonce}", f"Issued At: {self.issued_at}"]
        optional = {
            "Expiration Time": self.expiration_time,
            "Not Before": self.not_before,
            "Request ID": self.request_id,
        }
        lines += [f"{label}: {value}" for label, value in optional.items() if value is not None]
        if self.resources is not None:
            lines += ["Resources:", *(f"- {uri}" for uri in self.resources)]
        return "\n".join(lines)


def parse_message(text: str) -> SignInMessage:
    """The parts of ``text``. Raises InvalidMessage for whatever the grammar does not allow."""
    if len(text) > MESSAGE_MOST_CHARACTERS:
        raise InvalidMessage("message", f"a message has at most {MESSAGE_MOST_CHARACTERS} characters")
    lines = _Lines(text)
    scheme, domain = _origin(lines.take("domain"))
    address = _address(lines.take("address"))
    lines.blank("statement")
    statement = lines.take("statement")
    if statement:
        _matched(_STATEMENT, "statement", statement)
        lines.blank("statement")
    parts = SignInMessage(
        scheme=scheme,
        domain=domain,
        address=address,
        statement=statement or None,
        uri=_uri("uri", lines.labelled("uri", "URI")),
        chain_id=_version_then_chain(lines),
        nonce=_matched(_NONCE, "nonce", lines.labelled("nonce", "Nonce")),
        issued_at=_time("issued_at", lines.labelled("issued_at", "Issued At")),
        expiration_time=_later_time("expiration_time", lines.optional("Expiration Time")),
        not_before=_later_time("not_before", lines.optional("Not Before")),
        request_id=_request_id(lines.optional("Request ID")),
        resources=lines.resources(),
    )
    lines.end()
    return parts


def moment(time: str) -> datetime:
    """A date-time of RFC 3339 in UTC. Raises ValueError, for a day that no calendar has too.

    A leap second is refused, and what is finer than a microsecond is cut off.
    """
    found = _TIME.fullmatch(time)
    if found is None:
        raise ValueError("not a date-time of RFC 3339")
    day, clock, fraction, zone = found.groups()
    micro = (fraction or "0")[:6].ljust(6, "0")
    offset = "+00:00" if zone in "Zz" else zone
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{micro}{offset}").astimezone(UTC)
    except OverflowError:
        raise ValueError("a date-time beyond the calendar") from None


class _Lines:
    """The lines in order; each is taken once, by name."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._next = 0

    def take(self, field: str) -> str:
        if self._next >= len(self._lines):
            raise InvalidMessage(field, f"the message ends before its {field}")
        self._next += 1
        return self._lines[self._next - 1]

    def blank(self, field: str) -> None:
        if self.take(field):
            raise InvalidMessage(field, f"an empty line is missing around the {field}")

    def labelled(self, field: str, label: str) -> str:
        line = self.take(field)
        if not line.startswith(f"{label}: "):
            raise InvalidMessage(field, f"the line '{label}: ' is missing or out of place")
        return line.removeprefix(f"{label}: ")

    def optional(self, label: str) -> str | None:
        here = self._lines[self._next : self._next + 1]
        if not here or not here[0].startswith(f"{label}: "):
            return None
        return self.labelled(label, label)

    def resources(self) -> tuple[str, ...] | None:
        if self._lines[self._next : self._next + 1] != ["Resources:"]:
            return None
        listed = self._lines[self._next + 1 :]
        self._next = len(self._lines)
        if not all(line.startswith("- ") for line in listed):
            raise InvalidMessage("resources", "each resource is a line of its own after '- '")
        return tuple(_uri("resources", line.removeprefix("- ")) for line in listed)

    def end(self) -> None:
        if self._next != len(self._lines):
            raise InvalidMessage("message", "there is a line that is unknown, twice or out of place")


def _origin(line: str) -> tuple[str | None, str]:
    if not line.endswith(_PREAMBLE):
        raise InvalidMessage("domain", f"the first line does not end in '{_PREAMBLE.strip()}'")
    found = _DOMAIN.fullmatch(line.removesuffix(_PREAMBLE))
    if found is None or not _is_ipv6(found["ipv6"]):
        raise InvalidMessage("domain", "the domain is no authority of RFC 3986")
    return found["scheme"], found["domain"]


def _address(line: str) -> str:
    try:
        checksummed = checksum_address(line)
    except InvalidAddress as error:
        raise InvalidMessage("address", str(error)) from error
    if checksummed != line:
        raise InvalidMessage("address", "the address needs the capitals of EIP-55")
    return line


def _version_then_chain(lines: _Lines) -> int:
    if lines.labelled("version", "Version") != "1":
        raise InvalidMessage("version", "the version is 1")
    number = int(_matched(_CHAIN_ID, "chain_id", lines.labelled("chain_id", "Chain ID")))
    if number > CHAIN_ID_MOST:
        raise InvalidMessage("chain_id", "there is no such chain")
    return number


def _uri(field: str, text: str) -> str:
    found = _URI.fullmatch(text)
    if found is None or not _is_ipv6(found["ipv6"]):
        raise InvalidMessage(field, "not a URI of RFC 3986")
    return text


def _is_ipv6(text: str | None) -> bool:
    """Whether it is one, or nothing at all."""
    if text is None:
        return True
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _time(field: str, text: str) -> str:
    try:
        moment(text)
    except ValueError as error:
        raise InvalidMessage(field, str(error)) from error
    return text


def _later_time(field: str, text: str | None) -> str | None:
    return None if text is None else _time(field, text)


def _request_id(text: str | None) -> str | None:
    return None if text is None else _matched(_REQUEST_ID, "request_id", text)


def _matched(pattern: re.Pattern[str], field: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise InvalidMessage(field, f"the {field} has characters that it may not have, or too few")
    return text
