"""Payments: the provider protocol, its implementations, and webhook signatures."""
