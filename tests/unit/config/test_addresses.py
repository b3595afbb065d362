"""The addresses of the API, the web app and the payment provider, derived from ports and hosts."""

import pytest

from api.config import Settings


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "http://localhost:3001"),
        ({"API_PORT": "8080"}, "http://localhost:8080"),
        ({"API_PORT": "8080", "PUBLIC_API_URL": "https://tickets.example/"}, "https://tickets.example"),
    ],
)
def test_the_url_of_the_api_for_browsers(environ: dict[str, str], url: str) -> None:
    assert Settings.from_env(environ).api_url == url


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({"WEB_PORT": "80"}, "http://localhost"),
        ({"WEB_ORIGINS": "https://a.example/,https://b.example"}, "https://a.example"),
        ({}, "http://localhost:3000"),
        ({"WEB_ORIGINS": "https://a.example", "PUBLIC_WEB_URL": "https://b.example/x/"}, "https://b.example/x"),
    ],
)
def test_the_url_of_the_web_app_for_links(environ: dict[str, str], url: str) -> None:
    assert Settings.from_env(environ).web_url == url


@pytest.mark.parametrize(
    ("environ", "origins"),
    [
        ({}, ["http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"]),
        ({"WEB_PORT": "80"}, ["http://localhost", "http://127.0.0.1", "http://[::1]"]),
        ({"WEB_ORIGINS": "https://a.example/, http://b.example:8,"}, ["https://a.example", "http://b.example:8"]),
    ],
)
def test_the_allowed_origins_of_the_web_app(environ: dict[str, str], origins: list[str]) -> None:
    assert Settings.from_env(environ).allowed_origins == origins


@pytest.mark.parametrize(
    ("environ", "provider", "webhook"),
    [
        ({}, "http://127.0.0.1:3002", "http://127.0.0.1:3001/api/payments/webhook"),
        (
            {"PSP_PORT": "8002", "API_PORT": "8001", "API_HOST": "0.0.0.0"},  # noqa: S104 - the test opens no port
            "http://127.0.0.1:8002",
            "http://127.0.0.1:8001/api/payments/webhook",
        ),
        ({"API_HOST": "::"}, "http://127.0.0.1:3002", "http://[::1]:3001/api/payments/webhook"),
        ({"API_HOST": "10.0.0.5"}, "http://127.0.0.1:3002", "http://10.0.0.5:3001/api/payments/webhook"),
        (
            {"PROVIDER_URL": "https://pay.example/v1/", "PSP_WEBHOOK_URL": "http://127.0.0.1:9/hook"},
            "https://pay.example/v1",
            "http://127.0.0.1:9/hook",
        ),
    ],
)
def test_the_urls_of_provider_and_webhook(environ: dict[str, str], provider: str, webhook: str) -> None:
    settings = Settings.from_env(environ)
    assert (settings.provider_base_url, settings.webhook_url) == (provider, webhook)
