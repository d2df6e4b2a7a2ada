"""A real EVM chain on this machine: anvil from npm, pinned by hash, and a small ERC-20 on it."""
