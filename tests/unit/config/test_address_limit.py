"""The limit of an address follows that of an endpoint, unless an operator sets it."""

import pytest

from api.config import Settings


@pytest.mark.parametrize(
    ("environ", "address_rps"),
    [
        ({}, 800),
        ({"ENDPOINT_RPS": "100"}, 500),
        ({"ENDPOINT_RPS": "625"}, 500),
        ({"ENDPOINT_RPS": "10000"}, 8000),
        ({"ENDPOINT_RPS": "10000", "ADDRESS_RPS": "500"}, 500),
        ({"ENDPOINT_RPS": "10000", "ADDRESS_RPS": "0"}, 0),
        ({"ENDPOINT_RPS": "0"}, 0),
        ({"ENDPOINT_RPS": "0", "ADDRESS_RPS": "500"}, 0),
    ],
)
def test_the_limit_of_an_address(environ: dict[str, str], address_rps: int) -> None:
    assert Settings.from_env(environ).limited_address_rps == address_rps
