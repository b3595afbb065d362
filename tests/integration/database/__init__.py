"""Integration tests of `api/database`."""
