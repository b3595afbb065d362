"""The hosts under which browsers reach the API's own pages."""

import pytest

from api.config import Settings

LOCAL = {"localhost:3001", "127.0.0.1:3001", "[::1]:3001"}


@pytest.mark.parametrize(
    ("environ", "hosts"),
    [
        ({}, LOCAL),
        ({"PUBLIC_API_URL": "https://Api.Example:443/tickets/"}, LOCAL | {"api.example"}),
        ({"PUBLIC_API_URL": "http://api.example:8080"}, LOCAL | {"api.example:8080"}),
        ({"API_HOST": "127.0.0.5"}, LOCAL | {"127.0.0.5:3001"}),
        ({"API_HOST": "0.0.0.0"}, LOCAL),  # noqa: S104
        ({"API_PORT": "80"}, {"localhost", "127.0.0.1", "[::1]"}),
    ],
)
def test_the_hosts_are_those_of_the_settings(environ: dict[str, str], hosts: set[str]) -> None:
    assert Settings.from_env(environ).own_hosts == hosts
