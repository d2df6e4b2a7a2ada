"""Rules for calls that leave the process: never inside a transaction, and errors say what is known."""

from django.db import connections


class RemoteInsideTransaction(RuntimeError):
    """A provider was about to be called while a transaction was open."""


class RemoteError(Exception):
    """A provider call failed. `permanent` says that repeating it cannot help; only others are retried.

    `retry_after_s` is the pause that the provider asked for: whoever tries again waits at least as long.
    """

    permanent = False

    def __init__(self, code: str, detail: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


class RemoteRejected(RemoteError):
    """The provider said no, and nothing happened there."""

    permanent = True


class RemoteUnknown(RemoteError):
    """No answer, or none that can be believed: it may have happened. Ask before sending again."""


def refuse_inside_transaction() -> None:
    """Raise RemoteInsideTransaction when any database connection of this thread is in a transaction.

    A rollback after the call would forget what the provider has already done.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            raise RemoteInsideTransaction(
                f"refusing to call a provider: a transaction is open on {connection.alias!r}; "
                "commit the intent first, then call"
            )
