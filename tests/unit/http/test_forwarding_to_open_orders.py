"""A process warns once of a proxy whose clients get no access to open orders of guests."""

import pytest

from api.app import create_app
from api.config import Settings

FORWARDED = [(b"host", b"localhost"), (b"x-forwarded-for", b"192.0.2.7")]
WARNING = "GUEST_ORDERS is open by default"


def warnings(caplog: pytest.LogCaptureFixture, headers: list[tuple[bytes, bytes]], settings: Settings) -> int:
    """Return the number of warnings after three requests with the same headers."""
    app = create_app(settings)
    for _ in range(3):
        app.client_address("127.0.0.1", headers)
    return sum(WARNING in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("trusted", ["", "127.0.0.0/8"])
@pytest.mark.parametrize("header", [(b"x-forwarded-for", b"192.0.2.7"), (b"forwarded", b"for=192.0.2.7")])
def test_the_first_forwarded_request_is_reported(
    caplog: pytest.LogCaptureFixture, trusted: str, header: tuple[bytes, bytes]
) -> None:
    assert warnings(caplog, [header], Settings(trusted_proxies=trusted)) == 1


@pytest.mark.parametrize(
    ("headers", "settings"),
    [
        (FORWARDED[:1], Settings()),
        (FORWARDED, Settings(guest_orders="open")),
        (FORWARDED, Settings(guest_orders="secret")),
        (FORWARDED, Settings(public_api_url="https://api.example.org")),
    ],
    ids=["direct", "chosen", "closed", "public"],
)
def test_other_requests_are_not_reported(
    caplog: pytest.LogCaptureFixture, headers: list[tuple[bytes, bytes]], settings: Settings
) -> None:
    assert warnings(caplog, headers, settings) == 0
