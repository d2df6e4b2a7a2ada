"""Railway on this machine: its builders' rules, its variables, its start, health check and stop."""
