"""Clients of plain HTTP load no certificates, and all others load those of the system."""

import pytest

from api.config import Settings
from api.payments.http_provider import open_provider
from api.payments.stripe_gateway import open_gateway
from api.payments.webhook_sender import open_sender


def certificates(client: object) -> int:
    """Return the number of certificates that an httpx client trusts."""
    pool = client._transport._pool  # type: ignore[attr-defined]
    return len(pool._ssl_context.get_ca_certs())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/p", "https://psp.example"])
async def test_only_clients_of_https_load_certificates(url: str) -> None:
    settings = Settings(provider_url=url, psp_webhook_url=url)
    async with open_provider(settings) as provider, open_sender(settings, "secret") as sender:
        for client in (provider._client._client, sender._client):
            assert bool(certificates(client)) == url.startswith("https:")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", ""])
async def test_only_a_simulated_stripe_needs_no_certificates(url: str) -> None:
    async with open_gateway(Settings(stripe_api_url=url)) as gateway:
        assert bool(certificates(gateway._client._client)) == (not url)
