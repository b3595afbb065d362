"""The limit of held tickets per address has a switch of its own."""

import pytest

from api.config import Settings


@pytest.mark.parametrize(
    ("environment", "limit"),
    [
        ({}, 300),
        ({"BOOKINGS_PER_MINUTE": "0"}, 0),
        ({"HELD_TICKETS_PER_ADDRESS": "0"}, 0),
        ({"HELD_TICKETS_PER_ADDRESS": "20"}, 20),
        ({"HELD_TICKETS_PER_ADDRESS": "20", "BOOKINGS_PER_MINUTE": "0"}, 20),
        ({"HELD_TICKETS_PER_ADDRESS": "20", "PAYMENT_MODE": "inline"}, 0),
    ],
)
def test_the_limit_follows_its_setting(environment: dict[str, str], limit: int) -> None:
    assert Settings.from_env({"PAYMENT_MODE": "async"} | environment).held_tickets_max == limit
