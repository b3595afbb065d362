"""Integration tests of `api/routes`."""
