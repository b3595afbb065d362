"""The web app's settings, from the environment.

The API reads some of the same variables. A test compares the two.
"""

import ipaddress
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import idna

_NUMERAL = re.compile(r"0|[1-9][0-9]{0,9}")
_ALLOWED_URL = "an http or https address without a user name, a query or a fragment"
_PORT_MAX = 65_535
_DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# A content security policy separates its parts with semicolons and commas.
_PATH = re.compile(r"[A-Za-z0-9._~!$&()*+=:@%/-]*")


Network = IPv4Network | IPv6Network


class SettingError(Exception):
    """A variable has a value that is not allowed; the message names both."""


@dataclass(frozen=True)
class PageSettings:
    """The settings that the pages carry."""

    api_url: str
    """The API's public address, without a slash at the end."""
    staff_url: str = "http://localhost:3005"
    """The public address of the staff pages' server, without a slash at the end."""
    open_orders: bool = False
    """True if everybody may see the orders that were made without a secret."""
    charges: bool = False
    """True if buyers pay money, so that the pages must not call themselves a demonstration."""

    @classmethod
    def from_env(cls) -> Self:
        """Read the settings.

        Raises:
            SettingError: a value is not allowed.
        """
        return cls(_api_url(), _staff_url(), _has_open_orders(), _charges())


@dataclass(frozen=True)
class StaffSettings:
    """The settings of the staff pages' server."""

    host: str
    port: int
    api_url: str
    """The address at which this machine reaches the API."""
    origins: tuple[str, ...]
    """The origins of the pages that may connect."""
    trusted: tuple[Network, ...]
    """The networks of the proxies whose `X-Forwarded-For` is believed."""
    connections: "ConnectionLimits"
    limits: "StaffLimits"

    @classmethod
    def from_env(cls) -> Self:
        """Read the settings.

        Raises:
            SettingError: a value is not allowed.
        """
        host, web_port = address()
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - addresses that mean any
        api_url = f"http://{f'[{local}]' if ':' in local else local}:{_number('API_PORT', 3001, _PORT_MAX)}"
        own = ",".join(f"http://{name}:{web_port}" for name in ("localhost", "127.0.0.1", "[::1]"))
        origins = _read(
            "WEB_ORIGINS", _origins, "origins such as https://tickets.example, separated by commas"
        ) or _origins(own)
        connections = replace(
            ConnectionLimits.from_env(), connections_max=_number("STAFF_CONNECTIONS_MAX", 500, 100_000, least=10)
        )
        proxies = _read(
            "TRUSTED_PROXIES",
            _networks,
            "addresses or networks, separated by commas, such as 10.0.0.0/8,fd00::/8",
        )
        trusted = tuple(ip_network(text) for text in proxies.split(",") if text)
        limits = StaffLimits.from_env()
        return cls(host, _staff_port(), api_url, tuple(origins.split(",")), trusted, connections, limits)


@dataclass(frozen=True)
class StaffLimits:
    """The limits of whoever connects to the staff pages' server. The API checks the same variables at its start."""

    messages_per_s: int = 10
    """Messages that a connection may send in each second. A page sends one for each click."""
    messages_burst: int = 100
    """Messages that a connection may send at once."""
    states_max: int = 1000
    """The most States in memory, of about 20 kB each, as long as fewer tabs are connected."""
    refusals_per_minute: int = 60
    """Cookies of one client that the API may refuse in a minute."""
    requests_per_minute: int = 1200
    """Requests to the API that one client may cause in a minute."""

    @classmethod
    def from_env(cls) -> Self:
        """Read the limits.

        Raises:
            SettingError: a value is not allowed.
        """
        return cls(
            messages_per_s=_number("STAFF_MESSAGES_PER_S", cls.messages_per_s, 1000),
            messages_burst=_number("STAFF_MESSAGES_BURST", cls.messages_burst, 10_000, least=10),
            states_max=_number("STAFF_STATES_MAX", cls.states_max, 100_000, least=10),
            refusals_per_minute=_number("STAFF_REFUSALS_PER_MINUTE", cls.refusals_per_minute, 10_000),
            requests_per_minute=_number("STAFF_REQUESTS_PER_MINUTE", cls.requests_per_minute, 1_000_000, least=60),
        )


def address() -> tuple[str, int]:
    """Return the host and port to listen on.

    Raises:
        SettingError: the host or the port is not allowed.
    """
    host = _read("API_HOST", _host, "an IP address or a host name") or "127.0.0.1"
    return host, _number("WEB_PORT", 3000, _PORT_MAX)


@dataclass(frozen=True)
class ConnectionLimits:
    """The limits of the web server's connections. The API has the same settings."""

    connections_max: int
    """Open connections; further ones wait."""
    header_timeout_ms: int
    """Time in which a connection must send the next request's headers, before it is closed."""
    write_timeout_ms: int
    """Time in which a client must accept a part of a response, before its connection is closed."""

    @classmethod
    def from_env(cls) -> Self:
        """Read the limits.

        Raises:
            SettingError: a value is not allowed.
        """
        return cls(
            _number("CONNECTIONS_MAX", 20_000, 1_000_000, least=10),
            _number("HEADER_TIMEOUT_MS", 30_000, 600_000, least=100),
            _number("WRITE_TIMEOUT_MS", 30_000, 600_000, least=100),
        )


def runtime_dir(port: int) -> Path:
    """Return the directory for the files of the server on a port.

    It is in `DATA_DIR`, because other programs delete old files of the directory for temporary files.

    Raises:
        SettingError: `DATA_DIR` is not allowed.
    """
    data_dir = Path(_read("DATA_DIR", _directory, "a directory, in UTF-8") or ".data")
    return data_dir.resolve() / "run" / f"web-{port}"


def _directory(text: str) -> str:
    text.encode()
    try:
        return str(Path(text).expanduser())
    except RuntimeError as error:  # There is no such user.
        raise ValueError from error


def _number(variable: str, default: int, most: int, least: int = 1) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if _NUMERAL.fullmatch(text) and least <= int(text) <= most:
        return int(text)
    raise SettingError(f"{variable}={text!r} is not allowed: it must be a whole number from {least} to {most}.")


def _has_open_orders() -> bool:
    """Return the meaning of `GUEST_ORDERS`: without a value orders are open if only this machine reaches the site."""
    mode = _read("GUEST_ORDERS", _mode, "open or secret")
    if mode:
        return mode == "open"
    web_url, origins = (os.environ.get(name, "").strip() for name in ("PUBLIC_WEB_URL", "WEB_ORIGINS"))
    urls = (_api_url(), web_url, *origins.split(","))
    return _is_local(address()[0]) and all(
        _is_local(urlsplit(url.strip()).hostname or "") for url in urls if url.strip()
    )


def _charges() -> bool:
    """Return whether payments go to Stripe itself, and not to its simulator."""
    provider = _read("PAYMENT_PROVIDER", _provider, "simulator or stripe")
    return provider == "stripe" and not os.environ.get("STRIPE_API_URL", "").strip()


def _provider(text: str) -> str:
    if text not in ("simulator", "stripe"):
        raise ValueError(text)
    return text


def _mode(text: str) -> str:
    if text not in ("open", "secret"):
        raise ValueError(text)
    return text


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _api_url() -> str:
    return _read("PUBLIC_API_URL", _url, _ALLOWED_URL) or f"http://localhost:{_number('API_PORT', 3001, _PORT_MAX)}"


def _staff_url() -> str:
    return _read("PUBLIC_STAFF_URL", _url, _ALLOWED_URL) or f"http://localhost:{_staff_port()}"


def _staff_port() -> int:
    """Return the port of the staff pages' server; without `STAFF_PORT` four above that of the API, or four below."""
    api_port = _number("API_PORT", 3001, _PORT_MAX)
    default = api_port + 4 if api_port + 4 <= _PORT_MAX else api_port - 4
    return _number("STAFF_PORT", 0, _PORT_MAX, least=0) or default


def _read(variable: str, parse: Callable[[str], str], allowed: str) -> str:
    """Return the normal form of a variable; "" if it is absent or empty."""
    text = os.environ.get(variable, "").strip()
    try:
        return parse(text) if text else ""
    except ValueError:
        # The value may contain a password.
        shown = variable if re.search("[@?#]", text) else f"{variable}={text!r}"
        raise SettingError(f"{shown} is not allowed: it must be {allowed}.") from None


def _origins(text: str) -> str:
    """Return a list of origins as browsers send them.

    Raises:
        ValueError: one of them has a path, or is no URL.
    """
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or any(urlsplit(part).path not in ("", "/") for part in parts):
        raise ValueError
    urls = map(_url, parts)
    return ",".join(dict.fromkeys(urls))


def _networks(text: str) -> str:
    """Return a list of networks; an address is a network of one.

    Raises:
        ValueError: one of them is no network, or one of IPv4 addresses in the form of IPv6.
    """
    networks = [ip_network(part.strip()) for part in text.split(",") if part.strip()]
    if any(isinstance(network, IPv6Network) and network.network_address.ipv4_mapped for network in networks):
        raise ValueError(text)
    return ",".join(map(str, networks))


def _host(text: str) -> str:
    """Return an IPv6 address without its brackets, or `_name`."""
    host = text[1:-1] if re.fullmatch(r"\[.*:.*\]", text) else text
    return str(ipaddress.IPv6Address(host)) if ":" in host and "%" not in host else _name(host)


def _url(text: str) -> str:
    """Return a URL with its scheme and host in lower case, without a default port and without a slash at its end."""
    # urlsplit removes control characters.
    if re.search(r"[\s\x00-\x1f\\?#]", text):
        raise ValueError
    parts = urlsplit(text)
    scheme, host, port = parts.scheme, parts.hostname, parts.port
    if scheme not in _DEFAULT_PORTS or not host or "@" in parts.netloc or port == 0 or not _PATH.fullmatch(parts.path):
        raise ValueError
    name = f"[{ipaddress.IPv6Address(host)}]" if ":" in host else _name(host)
    suffix = "" if port in (None, _DEFAULT_PORTS[scheme]) else f":{port}"
    return f"{scheme}://{name}{suffix}{parts.path.rstrip('/')}"


def _name(host: str) -> str:
    """Return an IPv4 address or a host name in lower case, with an international name in Punycode."""
    name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise ValueError
    if _NUMBER.fullmatch(name.rstrip(".").rpartition(".")[2]):
        return str(ipaddress.IPv4Address(name))
    return name
