"""Tests of the access to orders and of its roles."""
