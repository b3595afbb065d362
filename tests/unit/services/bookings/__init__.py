"""Unit tests of `api/services/bookings`."""
