"""Integration tests of `api/commands`."""
