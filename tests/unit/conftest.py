"""How properties are tested."""

from hypothesis import HealthCheck, settings

# A slow or busy machine fails no test.
settings.register_profile("tickets", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tickets")
