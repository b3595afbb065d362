"""Booking: batches of requests, each batch in one transaction."""
