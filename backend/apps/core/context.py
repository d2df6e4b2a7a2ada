"""Who acts, and for which request: context variables that logs, audit rows and doorbells read."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """`kind` is user, task, webhook or command; `id` is text, so that it outlives the row it names."""

    kind: str
    id: str


_actor: ContextVar[Actor | None] = ContextVar("posx_actor", default=None)
_request_id: ContextVar[str] = ContextVar("posx_request_id", default="")


def current_actor() -> Actor | None:
    """The actor bound by the innermost `acting_as`, or None."""
    return _actor.get()


@contextmanager
def acting_as(kind: str, id: str) -> Iterator[Actor]:  # noqa: A002 - the word of the audit table
    """Bind the actor for the block; the outer one comes back afterwards, also after an error."""
    actor = Actor(kind=kind, id=id)
    token = _actor.set(actor)
    try:
        yield actor
    finally:
        _actor.reset(token)


def current_request_id() -> str:
    """The request id bound by the innermost `bind_request_id`, or an empty string."""
    return _request_id.get()


@contextmanager
def bind_request_id(value: str) -> Iterator[str]:
    """Bind the request id for the block. It is data from outside: `sane_request_id` comes first."""
    token = _request_id.set(value)
    try:
        yield value
    finally:
        _request_id.reset(token)
