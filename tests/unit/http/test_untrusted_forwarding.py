"""A process warns once of a proxy that TRUSTED_PROXIES does not contain."""

from ipaddress import ip_network

import pytest

from api.http.client_address import Network, UntrustedForwarding

TRUSTED = (ip_network("10.0.0.0/8"),)
FORWARDED = ((b"forwarded", b"for=192.0.2.7"),)
X_FORWARDED_FOR = ((b"host", b"localhost"), (b"x-forwarded-for", b"192.0.2.7"))


@pytest.mark.parametrize("headers", [FORWARDED, X_FORWARDED_FOR])
@pytest.mark.parametrize("trusted", [TRUSTED, ()], ids=["other proxies", "no proxies"])
def test_the_first_header_of_another_peer_is_reported(
    headers: tuple[tuple[bytes, bytes], ...],
    trusted: tuple[Network, ...],
    caplog: pytest.LogCaptureFixture,
) -> None:
    forwarding = UntrustedForwarding()
    for peer in ("198.51.100.9", "198.51.100.9", "198.51.100.10"):
        forwarding.check(peer, headers, trusted)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "The peer 198.51.100.9 sends X-Forwarded-For or Forwarded" in caplog.text


def test_headers_of_trusted_proxies_and_other_headers_are_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    forwarding = UntrustedForwarding()
    forwarding.check("10.0.0.9", FORWARDED, TRUSTED)
    forwarding.check("::ffff:10.0.0.9", X_FORWARDED_FOR, TRUSTED)
    forwarding.check("198.51.100.9", ((b"x-real-ip", b"192.0.2.7"),), TRUSTED)
    assert caplog.records == []


def test_a_peer_without_an_address_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    UntrustedForwarding().check("", FORWARDED, TRUSTED)
    assert "The peer without an address sends" in caplog.text
