"""Unit tests of `api/config.py`."""
