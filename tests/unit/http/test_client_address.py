"""The address of a client behind proxies, and its protection against invented headers."""

from ipaddress import ip_network

import pytest

from api.http.client_address import client_address, client_network

TRUSTED = tuple(map(ip_network, ("10.0.0.0/8", "fd00::/8")))
PROXY = "10.0.0.1"


def address(*headers: str, peer: str = PROXY) -> str:
    """Return the client's address for header lines such as `forwarded: for=192.0.2.1`."""
    lines = [tuple(part.encode("latin-1") for part in header.split(": ", 1)) for header in headers]
    return client_address(peer, [(line[0], line[1]) for line in lines], TRUSTED)


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("x-forwarded-for: 192.0.2.7", "192.0.2.7"),
        ("x-forwarded-for: 192.0.2.7:4711", "192.0.2.7"),
        ("x-forwarded-for: 2001:DB8::0:7", "2001:db8::7"),
        ("x-forwarded-for: [2001:db8::7]:4711", "2001:db8::7"),
        ("x-forwarded-for: ::ffff:192.0.2.7", "192.0.2.7"),
        ("x-forwarded-for: 192.0.2.7, 10.0.0.3", "192.0.2.7"),
        ("x-forwarded-for: 192.0.2.7 ,\t10.0.0.3,fd00::3", "192.0.2.7"),
        ("x-forwarded-for: 192.0.2.7,, ,", "192.0.2.7"),
        ("forwarded: for=192.0.2.7", "192.0.2.7"),
        ("forwarded: For=192.0.2.7;proto=https;by=10.0.0.1", "192.0.2.7"),
        ('forwarded: by="[fd00::1]:443" ; for="192.0.2.7:4711"', "192.0.2.7"),
        ("forwarded: for=192.0.2.7:4711", "192.0.2.7"),
        ('forwarded: for="[2001:db8::7]:_port"', "2001:db8::7"),
        ("forwarded: for=[2001:db8::7]", "2001:db8::7"),
        (r'forwarded: for="\192.0.2.7"', "192.0.2.7"),
        ("forwarded: for=192.0.2.7, for=10.0.0.3", "192.0.2.7"),
        ('forwarded: for=192.0.2.7;host="a,b;for=192.0.2.9", for="[fd00::3]"', "192.0.2.7"),
        ("forwarded: for=192.0.2.7, ,", "192.0.2.7"),
    ],
)
def test_a_trusted_proxy_names_its_client(header: str, client: str) -> None:
    assert address(header) == client


@pytest.mark.parametrize("header", ["x-forwarded-for: 192.0.2.7", "forwarded: for=192.0.2.7"])
@pytest.mark.parametrize("peer", ["198.51.100.9", "2001:db8::9", "::ffff:198.51.100.9"])
def test_headers_of_any_other_peer_are_ignored(header: str, peer: str) -> None:
    assert address(header, peer=peer) == peer.removeprefix("::ffff:")


@pytest.mark.parametrize("invented", ["203.0.113.5", "10.0.0.9", "127.0.0.1", "unknown", "_x", '"', "a, b", "", "for="])
def test_entries_that_a_client_sends_have_no_effect(invented: str) -> None:
    for header in (f"x-forwarded-for: {invented}, 192.0.2.7", f"forwarded: for={invented}, for=192.0.2.7"):
        assert address(header) in {"192.0.2.7", PROXY}, header
    assert address(f"x-forwarded-for: {invented}", "x-forwarded-for: 192.0.2.7, fd00::3") == "192.0.2.7"
    assert address(f"forwarded: for={invented}", "forwarded: for=192.0.2.7, for=10.0.0.3") == "192.0.2.7"
    assert address(f"x-forwarded-for: {invented}, 192.0.2.7, 10.0.0.3") == "192.0.2.7"


@pytest.mark.parametrize(
    "line",
    [
        'for=203.0.113.5;x=", for="[2001:db8::7]"',
        'for="203.0.113.5, for=192.0.2.7',
        "for=203.0.113.5;, for=192.0.2.7",
        "for=203.0.113.5 x, for=192.0.2.7",
        'for="203.0.113.5"x, for=192.0.2.7',
        "for, for=192.0.2.7",
    ],
)
def test_a_malformed_line_names_nobody(line: str) -> None:
    assert address(f"forwarded: {line}") == PROXY


@pytest.mark.parametrize(
    "node", ["unknown", "_hidden", "_hidden:_port", "secret", "192.0.2", "192.0.2.7.1", "[::1", "1" * 10_000, "é", "٣"]
)
def test_a_client_that_a_proxy_does_not_name_counts_as_the_proxy(node: str) -> None:
    assert address(f'forwarded: for="{node}"'.encode().decode("latin-1")) == PROXY
    assert address(f"x-forwarded-for: 203.0.113.5, {node}".encode().decode("latin-1")) == PROXY
    assert address(f'forwarded: for=203.0.113.5, for="{node}", for=10.0.0.3'.encode().decode("latin-1")) == "10.0.0.3"


def test_contradicting_headers_name_nobody() -> None:
    assert address("forwarded: for=203.0.113.5", "x-forwarded-for: 192.0.2.7") == PROXY
    assert address("forwarded: for=192.0.2.7", "x-forwarded-for: 192.0.2.7") == "192.0.2.7"


def test_a_chain_of_trusted_proxies_ends_at_its_first_member() -> None:
    assert address("x-forwarded-for: 10.1.1.1, 10.2.2.2") == "10.1.1.1"
    assert address() == PROXY
    assert address("x-forwarded-for: " + ", ".join(["10.0.0.2"] * 50_000)) == "10.0.0.2"


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    assert client_address("127.0.0.1", [(b"x-forwarded-for", b"192.0.2.7")], ()) == "127.0.0.1"
    assert client_address("", [(b"x-forwarded-for", b"192.0.2.7")], ()) == ""


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_client_counts_by_its_prefix(address: str, network: str) -> None:
    assert client_network(address) == network
