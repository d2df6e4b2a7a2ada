"""All tests. The servers that they need: tests/servers.py."""
