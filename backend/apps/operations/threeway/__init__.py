"""The three-way check: what Stripe and custody say was moved, against what our rows say. docs/three-way-check.md."""
