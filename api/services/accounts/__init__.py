"""Accounts: sign-in, sessions, roles and the claim of guest orders."""
