"""Unit tests of `api/database`."""
