"""The policy: each field is a setting of the same name."""

import msgspec

from api.config import Settings
from api.services.bookings.model import BookingPolicy


def test_the_policy_has_the_values_of_the_settings() -> None:
    settings = Settings(payment_mode="async", hold_seconds=42, bookings_per_minute=3, payment_success_rate=0.25)
    found = msgspec.structs.asdict(BookingPolicy.of(settings))
    assert found.pop("provider_available") is True  # no setting, but the state of the provider
    assert found == {name: getattr(settings, name) for name in found}
    assert found["hold_seconds"] == 42
