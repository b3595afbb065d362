"""The domain of passkeys, and the origins of the pages that may use them."""

import pytest

from api.config import Settings
from api.errors import ConfigError

SHOP = {"PUBLIC_WEB_URL": "https://Tickets.Example/app"}


@pytest.mark.parametrize(
    ("environ", "domain", "origins"),
    [
        ({}, "localhost", ["http://localhost:3000"]),
        ({"WEB_PORT": "80"}, "localhost", ["http://localhost"]),
        (SHOP, "tickets.example", ["https://tickets.example"]),
        ({"PUBLIC_WEB_URL": "https://tickets.example:8443"}, "tickets.example", ["https://tickets.example:8443"]),
        (
            {"WEB_ORIGINS": "https://tickets.example,https://m.tickets.example,https://nottickets.example"},
            "tickets.example",
            ["https://tickets.example", "https://m.tickets.example"],
        ),
        (
            {
                "PUBLIC_WEB_URL": "https://a.venue.example",
                "WEB_ORIGINS": "https://b.venue.example,https://c.example",
                "PASSKEY_RP_ID": "Venue.Example",
            },
            "venue.example",
            ["https://a.venue.example", "https://b.venue.example"],
        ),
    ],
)
def test_the_domain_and_the_origins_follow_from_the_addresses(
    environ: dict[str, str], domain: str, origins: list[str]
) -> None:
    settings = Settings.from_env(environ)
    assert (settings.relying_party, settings.passkey_origins) == (domain, origins)


@pytest.mark.parametrize("domain", ["other.example", "kets.example", "a.tickets.example"])
def test_a_domain_must_contain_the_web_app(domain: str) -> None:
    with pytest.raises(ConfigError, match=f"PASSKEY_RP_ID='{domain}' is not allowed: it must be the host of"):
        Settings.from_env({**SHOP, "PASSKEY_RP_ID": domain})


@pytest.mark.parametrize("domain", ["127.0.0.1", "[::1]", "https://tickets.example", "tickets.example.", "a b"])
def test_an_address_is_no_domain(domain: str) -> None:
    with pytest.raises(ConfigError, match="it must be a domain name such as "):
        Settings.from_env({**SHOP, "PASSKEY_RP_ID": domain})
