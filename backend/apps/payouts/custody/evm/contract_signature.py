"""Whether a contract says that it signed (EIP-1271), by one call that changes nothing."""

from __future__ import annotations

from apps.payouts.custody.evm.chain import call_or_none, has_code, node_of
from apps.payouts.custody.evm.errors import TransferWaits

# isValidSignature(bytes32,bytes), and what it answers when the signature holds: the same four bytes.
MAGIC = "1626ba7e"
_ANSWER = f"0x{MAGIC}"


def contract_signed(chain_id: int, address: str, digest: bytes, signature: bytes) -> bool:
    """False without a contract at the address, when it reverts or answers anything else, or without a node to ask.

    Raises RemoteError when the node does not answer.
    """
    try:
        node = node_of(chain_id)
    except TransferWaits as reason:
        if reason.code == "evm_rpc_missing":
            return False  # keys still prove themselves; docs/wallets.md says what contracts need
        raise
    # A call to an account without code succeeds with no answer; asked first, so that it costs one call in most cases.
    if not has_code(node, address):
        return False
    answer = call_or_none(node, address, is_valid_signature_call(digest, signature))
    # An ABI word: the four bytes at its left. What follows is not looked at by other implementations either.
    return isinstance(answer, str) and len(answer) == 66 and answer.lower().startswith(_ANSWER)


def is_valid_signature_call(digest: bytes, signature: bytes) -> str:
    """The call data: two words of the head (digest, offset), then length and bytes padded to whole words."""
    padded = signature + bytes(-len(signature) % 32)
    return f"0x{MAGIC}{digest.hex()}{64:064x}{len(signature):064x}{padded.hex()}"
