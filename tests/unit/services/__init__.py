"""Unit tests of `api/services`."""
