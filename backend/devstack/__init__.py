"""Everything a laptop needs in place of the deployed services: embedded servers, sandboxes, one command."""
