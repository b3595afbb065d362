"""Integration tests of `api/services/bookings`."""
