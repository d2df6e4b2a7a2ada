"""The way of one API request through a sandbox: faults, idempotency, the operation itself."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

from devstack.http_messages import HangUp, Request, Response
from devstack.http_server import Handler
from devstack.sandbox_parts.faults import REQUEST_FAULTS, Fault, Faults
from devstack.sandbox_parts.idempotency import IdempotencyKeys, KeyInUse, StoredAnswer
from devstack.sandbox_parts.store import Store

NO_FAULT = Fault("", 0.0, "")


class ProviderApi(ABC):
    """What both sandboxes do alike; a subclass speaks the provider's dialect."""

    def __init__(self, store: Store, faults: Faults, stopping: threading.Event) -> None:
        self._store = store
        self._faults = faults
        self._stopping = stopping
        self._keys = IdempotencyKeys(store)

    @abstractmethod
    def idempotency_key(self, request: Request) -> str | None:
        """The request's key, or None when it has none or takes none."""

    @abstractmethod
    def fingerprint(self, request: Request) -> str:
        """What must be equal for a key to be used again."""

    @abstractmethod
    def replay(self, stored: StoredAnswer, fingerprint: str) -> Response:
        """The answer to a key that was used before."""

    @abstractmethod
    def key_in_use(self) -> Response:
        """The answer while the first request with the key runs."""

    @abstractmethod
    def server_error(self) -> Response:
        """A 500 in the provider's words."""

    @abstractmethod
    def rate_limited(self, retry_after_s: float) -> Response:
        """A 429 in the provider's words."""

    @abstractmethod
    def perform(self, handler: Handler, request: Request) -> tuple[Response, bool]:
        """Run the operation; returns the answer and whether its idempotency key keeps it."""

    def answer(self, operation: str, handler: Handler, request: Request) -> Response:
        """Answer one authenticated request; HangUp when a fault says so."""
        about = f"{request.target} {request.body.decode(errors='replace')}"
        fault = self._faults.take(REQUEST_FAULTS, (operation,), about) or NO_FAULT
        if fault.kind == "rate_limit":
            return self.rate_limited(fault.seconds)
        if fault.kind == "hang_before":
            self._hang(fault)
        if fault.kind == "late_accept":
            self._accept_later(handler, request, fault)
        response = self._once(handler, request, fault)
        if fault.kind == "accept_then_hang":
            self._hang(fault)
        return response

    def _hang(self, fault: Fault) -> None:
        self._stopping.wait(fault.seconds)
        raise HangUp

    def _accept_later(self, handler: Handler, request: Request, fault: Fault) -> None:
        """Nobody is answered, and the request is carried out when its sender has given it up."""

        def accept() -> None:
            if not self._stopping.wait(fault.seconds):
                self._once(handler, request, NO_FAULT)

        threading.Thread(target=accept, daemon=True).start()
        raise HangUp

    def _once(self, handler: Handler, request: Request, fault: Fault) -> Response:
        key = self.idempotency_key(request)
        if key is None:
            return self._execute(handler, request, fault, None)
        try:
            stored = self._keys.claim(key)
        except KeyInUse:
            return self.key_in_use()
        if stored is not None:
            return self.replay(stored, self.fingerprint(request))
        try:
            return self._execute(handler, request, fault, key)
        finally:
            self._keys.release(key)

    def _execute(self, handler: Handler, request: Request, fault: Fault, key: str | None) -> Response:
        if fault.kind == "slow":
            self._stopping.wait(fault.seconds)
        # Effects, events and the key's answer commit together: a kill in between must not leave a half.
        with self._store.transaction():
            if fault.kind == "error_500_before":
                response, keep = self.server_error(), True
            else:
                response, keep = self.perform(handler, request)
            if fault.kind == "error_500_after":
                response, keep = self.server_error(), True
            if key is not None and keep:
                self._keys.keep(key, self.fingerprint(request), response)
        return response
