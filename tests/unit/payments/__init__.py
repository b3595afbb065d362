"""Unit tests of `api/payments`."""
