"""Settings of the addresses at which clients reach the API and the web app."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from api.addresses import parse_origins, parse_url

_PORT_MAX = 65_535
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""The names of this machine in URLs."""


class AddressSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of the API and the web app. `api.config.Settings` describes all settings."""

    api_host: str = "127.0.0.1"
    """IP address or host name on which the API and the web app listen."""
    api_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 3001
    """TCP port of the API, from 1 to 65535."""
    web_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 3000
    """TCP port of the web app, from 1 to 65535."""
    public_api_url: str = ""
    """URL of the API for browsers; empty for `http://localhost:$API_PORT`."""
    public_web_url: str = ""
    """URL of the web app for links; empty for the first of `web_origins`."""
    web_origins: str = ""
    """Comma-separated origins from which browsers may call the API; empty for a web app on this machine.

    `from_env` brings them into the form in which browsers send them.
    """
    trusted_proxies: str = ""
    """Comma-separated addresses and networks of proxies whose `Forwarded` and `X-Forwarded-For` are believed."""
    staff_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """TCP port of the staff pages' server; 0 for four above `api_port`, or four below it if there is no such port.

    With 0 `make run` uses another port if that one is taken.
    """
    public_staff_url: str = ""
    """URL of the staff pages' server for browsers; empty for `http://localhost:$STAFF_PORT`.

    Its host must be that of `public_api_url`, because only that host gets the cookie of a session.
    """
    operations_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """TCP port for `/health/*` and `/metrics` on connections of their own; 0 to serve them on `api_port`.

    With a port, `api_port` serves only `/health/live` and `/health/ready` of these. Without one, it serves the others
    to clients on this machine only.
    """

    @property
    def api_url(self) -> str:
        """Return the URL of the API for browsers, without a slash at the end."""
        return (self.public_api_url or f"http://localhost:{self.api_port}").rstrip("/")

    @property
    def has_tls(self) -> bool:
        """Return whether browsers reach the API over TLS."""
        return self.api_url.startswith("https://")

    @property
    def web_url(self) -> str:
        """Return the URL of the web app for browsers, without a slash at the end."""
        return (self.public_web_url or self.allowed_origins[0]).rstrip("/")

    @property
    def staff_server_port(self) -> int:
        """Return the port of the staff pages' server."""
        return self.staff_port or self.port_beside_api(4)

    @property
    def staff_url(self) -> str:
        """Return the URL of the staff pages' server for browsers, without a slash at the end."""
        return (self.public_staff_url or f"http://localhost:{self.staff_server_port}").rstrip("/")

    @property
    def allowed_origins(self) -> list[str]:
        """Return the origins of `web_origins`, or those of a web app on this machine."""
        local = (f"http://{host}:{self.web_port}" for host in _LOOPBACK)
        return (self.web_origins or parse_origins(",".join(local))).split(",")

    @property
    def own_hosts(self) -> frozenset[str]:
        """Return the hosts of the API for browsers, each with its port unless that is the scheme's default."""
        local = (f"http://{host}:{self.api_port}" for host in _LOOPBACK)
        urls = (self.api_url, self.local_url(self.api_port), *local)
        return frozenset(urlsplit(parse_url(url)).netloc for url in urls)

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks of `trusted_proxies`; an address is a network of one."""
        return tuple(_network(text.strip()) for text in self.trusted_proxies.split(",") if text.strip())

    def port_beside_api(self, distance: int) -> int:
        """Return the port at a distance above `api_port`, or below it if there is no such port."""
        above = self.api_port + distance
        return above if above <= _PORT_MAX else self.api_port - distance

    def local_url(self, port: int) -> str:
        """Return the URL under which this machine reaches a port of the API or the web app."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.api_host, self.api_host)  # noqa: S104
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _network(text: str) -> IPv4Network | IPv6Network:
    """Return a network of addresses.

    Raises:
        ValueError: the text is no network, or one of IPv4 addresses in the form of IPv6.
    """
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise ValueError(text)  # The API compares such addresses as IPv4.
    return network
