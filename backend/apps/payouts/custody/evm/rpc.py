"""JSON-RPC of an Ethereum node: one call at a time, within one deadline, refused inside a transaction.

Source: the execution API specification (ethereum/execution-apis). The node's address may hold an access key, so it
is in no message and no log.
"""

from __future__ import annotations

import json
import logging
import re
import time
from functools import lru_cache
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from apps.core.remote import RemoteError, refuse_inside_transaction
from apps.payouts.custody.base import CustodyUnknown

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3.0
WORK_BUDGET_S = 10.0  # of all calls of one piece of work; submission.py counts with 11 s
ANSWER_MOST_BYTES = 4_000_000
_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")


class NodeRefused(RemoteError):
    """The node understood the call and answered with an error. `detail` is its message, shortened."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__("evm_node_refused", message[:200])
        self.number = number


class Node:
    """The calls of one piece of work. Raises CustodyUnknown when there is no believable answer, NodeRefused."""

    def __init__(self, url: str, *, budget_s: float = WORK_BUDGET_S) -> None:
        self._url = url
        self._deadline_s = time.monotonic() + budget_s

    def __repr__(self) -> str:
        return "Node()"

    def call(self, method: str, *params: object) -> Any:
        """The result of one call, None included."""
        refuse_inside_transaction()
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = self._answer(method, body)
        error = answer.get("error")
        if isinstance(error, dict):
            number = error.get("code")
            raise NodeRefused(number if isinstance(number, int) else 0, str(error.get("message", "")))
        if "result" not in answer:
            raise CustodyUnknown("evm_answer_unreadable", f"{method}: no result")
        return answer["result"]

    def number(self, method: str, *params: object) -> int:
        """The result of a call that answers a quantity ("0x1f")."""
        return quantity(self.call(method, *params))

    def _answer(self, method: str, body: str) -> dict[str, Any]:
        left_s = self._deadline_s - time.monotonic()
        if left_s <= 0:
            raise CustodyUnknown("evm_node_slow", method)
        try:
            response = _session(self._url).post(
                self._url,
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=(min(CONNECT_TIMEOUT_S, left_s), left_s),
                allow_redirects=False,
            )
        except requests.RequestException as failure:
            # The failure's own text holds the node's address; `from None` keeps it out of a traceback too.
            logger.warning("EVM node %s: %s", method, type(failure).__name__)
            raise CustodyUnknown("evm_node_unreachable", type(failure).__name__) from None
        return _object(method, response)


def quantity(value: object) -> int:
    """A hex quantity as a number. Raises CustodyUnknown for anything else."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise CustodyUnknown("evm_answer_unreadable", "not a quantity")
    return int(value, 16)


def _object(method: str, response: requests.Response) -> dict[str, Any]:
    try:
        answer = json.loads(response.content) if len(response.content) < ANSWER_MOST_BYTES else None
    except (ValueError, RecursionError):
        answer = None
    is_limited = response.status_code == 429
    # Nodes answer errors with 200, and some with 4xx; what is no JSON object came from something in between.
    if isinstance(answer, dict) and not is_limited and (response.status_code == 200 or "error" in answer):
        return answer
    code = "evm_node_rate_limited" if is_limited else "evm_node_unavailable"
    logger.warning("EVM node %s: HTTP %s", method, response.status_code)
    raise CustodyUnknown(code, f"HTTP {response.status_code}")


@lru_cache(maxsize=16)
def _session(url: str) -> requests.Session:
    session = requests.Session()
    # A retry inside the transport would outlive the deadline.
    adapter = HTTPAdapter(pool_connections=1, pool_maxsize=8, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session
