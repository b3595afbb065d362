"""Hypothesis' profile for property tests."""

from hypothesis import HealthCheck, settings

# Tests pass on a slow machine too.
settings.register_profile("tickets", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tickets")
