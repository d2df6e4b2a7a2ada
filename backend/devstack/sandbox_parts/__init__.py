"""What the provider sandboxes share: state file, faults, keys, idempotency, request pipeline, page."""
