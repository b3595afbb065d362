"""Guest orders are open only if the whole system serves this machine, unless an operator decides."""

import pytest

from api.config import Settings
from webapp.settings import PageSettings

CASES: list[tuple[dict[str, str], bool]] = [
    ({}, True),
    ({"API_HOST": "localhost"}, True),
    ({"API_HOST": "::1"}, True),
    ({"API_HOST": "127.0.0.2", "PUBLIC_API_URL": "http://tickets.localhost:3001"}, True),
    ({"API_HOST": "0.0.0.0"}, False),  # noqa: S104 - a value of a setting
    ({"API_HOST": "::"}, False),
    ({"API_HOST": "192.0.2.7"}, False),
    ({"PUBLIC_API_URL": "https://api.example.org"}, False),
    ({"PUBLIC_WEB_URL": "https://tickets.example.org"}, False),
    ({"WEB_ORIGINS": "http://localhost:3000,https://tickets.example.org"}, False),
    ({"PUBLIC_API_URL": "http://localhost.example.org"}, False),
    ({"GUEST_ORDERS": "secret"}, False),
    ({"GUEST_ORDERS": "open", "API_HOST": "::", "PUBLIC_API_URL": "https://api.example.org"}, True),
]


@pytest.mark.parametrize(("environ", "is_open"), CASES)
def test_guest_orders_are_open_on_this_machine_only(environ: dict[str, str], *, is_open: bool) -> None:
    assert Settings.from_env(environ).has_open_orders is is_open


@pytest.mark.parametrize(("environ", "is_open"), CASES)
def test_the_pages_follow_the_api(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], *, is_open: bool) -> None:
    for name in ("API_HOST", "API_PORT", "PUBLIC_API_URL", "PUBLIC_WEB_URL", "WEB_ORIGINS", "GUEST_ORDERS"):
        monkeypatch.delenv(name, raising=False)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    assert PageSettings.from_env().open_orders is is_open
