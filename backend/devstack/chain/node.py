"""The chain as a process: JSON-RPC on 127.0.0.1, blocks on demand or by the clock, accounts that tests may empty."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

import requests

from devstack.chain.binary import anvil_binary
from devstack.ports import HOST, free_port
from devstack.processes import spawn

CHAIN_ID = 31337
START_TIMEOUT_S = 20.0
_TOKEN = Path(__file__).parent / "token.bin"
_PAUSE = "0x02329a29"
_TRANSFER = "0xa9059cbb"


class ChainFailed(Exception):
    """The chain did not start, or refused a call that it should take."""


class LocalChain:
    """One anvil. `block_time_s` 0 mines each transaction at once (`automine(False)` stops that)."""

    def __init__(self, state_dir: Path, log: Path, *, port: int | None = None, block_time_s: int = 0) -> None:
        self._state_dir, self._log = state_dir, log
        self.port = port or 0
        self._block_time_s = block_time_s
        self._process: subprocess.Popen[bytes] | None = None
        self._session = requests.Session()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def start(self) -> str:
        """Start, wait until it answers, return its address. Raises NoAnvil, ChainFailed."""
        self.port = self.port or free_port()
        command = [str(anvil_binary(self._state_dir)), "--host", HOST, "--port", str(self.port), "--silent"]
        command += ["--chain-id", str(CHAIN_ID)]
        if self._block_time_s:
            command += ["--block-time", str(self._block_time_s)]
        with self._log.open("ab") as log:
            self._process = spawn(command, output=log)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline_s and self._process.poll() is None:
            try:
                self.rpc("eth_chainId")
            except requests.ConnectionError:
                time.sleep(0.03)  # not listening yet: asked again until the deadline
                continue
            return self.url
        self.stop()
        raise ChainFailed(f"anvil did not start: {self._log.read_text(errors='replace')[-500:]}")

    def stop(self) -> None:
        """End the process; its chain is gone."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def rpc(self, method: str, *params: object) -> Any:
        """The result of any call, anvil's own (anvil_*, evm_*) included."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        answer = self._session.post(self.url, json=body, timeout=10).json()
        if "error" in answer:
            raise ChainFailed(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        """Mine that many blocks now."""
        self.rpc("anvil_mine", hex(blocks))

    def automine(self, on: bool) -> None:
        """Whether a transaction is mined as soon as it comes."""
        self.rpc("evm_setAutomine", on)

    def owner(self) -> str:
        """The first unlocked account: it deploys tokens and holds their supply."""
        return str(self.rpc("eth_accounts")[0])

    def deploy_token(self, decimals: int, supply: int = 10**36) -> str:
        """A new ERC-20 whose whole supply is the owner's; its address."""
        code = bytes.fromhex(_TOKEN.read_text().strip().removeprefix("0x"))
        return self.deploy(code + decimals.to_bytes(32, "big") + supply.to_bytes(32, "big"))

    def deploy(self, creation_code: bytes) -> str:
        """A new contract made by this code; its address."""
        return str(self._do({"data": f"0x{creation_code.hex()}"})["contractAddress"])

    def give_tokens(self, token: str, address: str, base_units: int) -> None:
        """Tokens from the owner."""
        self._do({"to": token, "data": f"{_TRANSFER}{int(address, 16):064x}{base_units:064x}"})

    def give_coins(self, address: str, wei: int = 10**18) -> None:
        """Set an address' balance to pay gas from."""
        self.rpc("anvil_setBalance", address, hex(wei))

    def pause_call(self, token: str, on: bool) -> dict[str, str]:
        """The owner's transaction that makes every transfer of the token fail."""
        return {"from": self.owner(), "to": token, "data": f"{_PAUSE}{int(on):064x}"}

    def token_balance(self, token: str, address: str) -> int:
        """Base units that an address holds."""
        call = {"to": token, "data": f"0x70a08231{int(address, 16):064x}"}
        return int(self.rpc("eth_call", call, "latest"), 16)

    def _do(self, transaction: dict[str, str]) -> dict[str, Any]:
        tx_hash = self.rpc(
            "eth_sendTransaction", {"from": self.owner(), "gas": hex(3_000_000), **transaction}
        )
        receipt = self.rpc("eth_getTransactionReceipt", tx_hash)
        if receipt is None:
            self.mine()
            receipt = self.rpc("eth_getTransactionReceipt", tx_hash)
        if int(receipt["status"], 16) != 1:
            raise ChainFailed("the transaction was reverted")
        return dict(receipt)
