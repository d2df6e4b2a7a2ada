"""A Fireblocks that runs on 127.0.0.1: signed requests, transactions that walk, signed webhooks."""

from devstack.fireblocks_sandbox.balances import SandboxAsset
from devstack.fireblocks_sandbox.server import FireblocksSandbox

__all__ = ["FireblocksSandbox", "SandboxAsset"]
