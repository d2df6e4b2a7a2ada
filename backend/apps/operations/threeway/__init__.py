"""The three-way check: what Stripe and custody say was moved, against what our rows say. docs/ledger.md."""
