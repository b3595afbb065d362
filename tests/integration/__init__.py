"""Tests of one noun each, against a real PostgreSQL."""
