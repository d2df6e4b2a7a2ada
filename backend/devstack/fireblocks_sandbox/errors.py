"""Fireblocks' error bodies: {"message", "code"}.

1438, 1412, 1405 and the negative authentication codes are Fireblocks' own
(https://developers.fireblocks.com/reference/api-error-codes); the other numbers are the sandbox's, and a client
must not decide by them.
"""

from __future__ import annotations

from devstack.http_messages import Response, json_response

DUPLICATE_EXTERNAL_ID = 1438
NO_SUCH_EXTERNAL_ID = 1412
NO_SUCH_TRANSACTION = 1405
NO_SUCH_VAULT = 1004
NO_SUCH_ASSET = 1006
INVALID_REQUEST = 1400
INVALID_ADDRESS = 1403
INSUFFICIENT_FUNDS = 1406
RATE_LIMITED = 1429
KEY_AFTER_ERROR = 1430
KEY_IN_USE = 1431

INVALID_SIGNATURE = -1
MISSING_API_KEY = -2
MISSING_TOKEN = -3
WRONG_URL = -4
INVALID_TOKEN = -5
WRONG_USER = -6
TOKEN_NOT_ACCEPTED = -7
EXPIRED = -10
FUTURE_TOKEN = -12


class FireblocksError(Exception):
    """An error answer."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def response(self) -> Response:
        """The error as a response."""
        return json_response(self.status, {"message": str(self), "code": self.code})
