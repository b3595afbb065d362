"""Unit tests of `webapp`."""
