"""A contract wallet for tests, written by hand for the EVM: one owner, who may be another key than its address.

isValidSignature(bytes32,bytes) of EIP-1271 for a 65-byte signature; any other call reverts. The owner stands in the
last 32 bytes of the code (what the constructor was given). In words of the yellow paper, with the stack on the right:

    selector != 1626ba7e             -> revert
    mem[0]   = digest                   calldata[4]
    mem[32]  = v                        byte 0 of calldata[164] (4 + 32 digest + 32 offset + 32 length + 64)
    mem[64]  = r                        calldata[100]
    mem[96]  = s                        calldata[132]
    call ecrecover (address 1) with mem[0..128] -> mem[0]
    mem[0] == owner -> answer the selector in the left of a word; else answer ffffffff there
"""

from __future__ import annotations

from devstack.chain.node import LocalChain

_OPCODES = {
    "STOP": "00", "EQ": "14", "ISZERO": "15", "BYTE": "1a", "SHL": "1b", "SHR": "1c",
    "CALLDATALOAD": "35", "CODESIZE": "38", "CODECOPY": "39", "POP": "50", "MLOAD": "51", "MSTORE": "52",
    "SUB": "03", "GAS": "5a", "STATICCALL": "fa", "RETURN": "f3", "REVERT": "fd", "JUMPI": "57", "JUMPDEST": "5b",
}  # fmt: skip


def _assembled(source: str) -> bytes:
    """Words of one byte, hexadecimal constants (pushed), labels (@name: here, =name: its place, one byte)."""
    code, places, wanted = bytearray(), dict[str, int](), list[tuple[int, str]]()
    for word in source.split():
        if word.startswith("@"):
            places[word[1:]] = len(code)
            code += bytes.fromhex(_OPCODES["JUMPDEST"])
        elif word.startswith("="):
            wanted.append((len(code) + 1, word[1:]))
            code += b"\x60\x00"
        elif word.startswith("0x"):
            raw = bytes.fromhex(word[2:])
            code += bytes([0x5F + len(raw)]) + raw
        else:
            code += bytes.fromhex(_OPCODES[word])
    for at, name in wanted:
        code[at] = places[name]
    return bytes(code)


_RUNTIME = _assembled("""
    0x1626ba7e 0x00 CALLDATALOAD 0xe0 SHR EQ =right JUMPI
    0x00 0x00 REVERT
  @right
    0x04 CALLDATALOAD 0x00 MSTORE
    0xa4 CALLDATALOAD 0x00 BYTE 0x20 MSTORE
    0x64 CALLDATALOAD 0x40 MSTORE
    0x84 CALLDATALOAD 0x60 MSTORE
    0x20 0x00 0x80 0x00 0x01 GAS STATICCALL POP
    0x20 0x20 CODESIZE SUB 0xa0 CODECOPY
    0x00 MLOAD 0xa0 MLOAD EQ =owner JUMPI
    0xffffffff 0xe0 SHL 0x00 MSTORE 0x20 0x00 RETURN
  @owner
    0x1626ba7e 0xe0 SHL 0x00 MSTORE 0x20 0x00 RETURN
""")


def deploy_contract_wallet(chain: LocalChain, owner: str) -> str:
    """A new contract that says it signed whatever ``owner`` did; its address in lower case."""
    runtime = _RUNTIME + bytes(12) + bytes.fromhex(owner[2:])
    return chain.deploy(creation_of(runtime))


def creation_of(runtime: bytes) -> bytes:
    """Ten bytes that copy the runtime, which follows them and has less than 256 bytes, into memory and return it."""
    size = f"{len(runtime):02x}"
    return bytes.fromhex(f"60{size}600a5f3960{size}5ff3") + runtime
