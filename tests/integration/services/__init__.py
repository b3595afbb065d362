"""Integration tests of `api/services`."""
