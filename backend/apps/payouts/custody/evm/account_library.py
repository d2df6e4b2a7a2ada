"""The one door to eth-account, which would change the whole process on its way in."""

from __future__ import annotations

import sys
from typing import Any


def account_library() -> Any:
    """eth-account's ``Account``. Imported on the first call: 0.5 s and 34 MiB that only a signing process should pay.

    py_ecc, which it imports, raises Python's recursion limit to 100,000 for everybody. The C stack ends long before
    that: a body of nested brackets, which is refused under the usual limit, would then kill the process.
    """
    limit = sys.getrecursionlimit()
    from eth_account import Account

    sys.setrecursionlimit(limit)
    return Account
