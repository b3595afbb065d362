"""Unit tests of `api/commands`."""
