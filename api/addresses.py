"""Addresses in settings: hosts, URLs, origins and databases, in the form in which programs compare them.

Each function returns the normal form of a text, or raises ValueError with a description of the allowed values. The
description never contains the text, which may contain a password.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

import idna
import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from api.text import EMAIL_MAX, EMAIL_PATTERN

_SCHEMES = {"http": 80, "https": 443}
"""The default port of each scheme."""
_LABEL = r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_PORT_MAX = 65_535
# A content security policy separates its parts with semicolons and commas.
_PATH = re.compile(r"[A-Za-z0-9._~!$&()*+=:@%/-]*")
_DATABASE_URL = re.compile(r"postgres(ql)?://")

_PERCENT_ENCODED = r"([^%]|%[0-9A-Fa-f]{2})*"

_HOST = "an IP address or a host name"
_URL = "an http or https address without a user name, a query or a fragment"
_MAIL_SERVER = (
    "an smtp or smtps address such as smtps://user:password@mail.example.org, with special characters of the password "
    "percent-encoded"
)
_MAILBOX = "an e-mail address of ASCII characters such as tickets@example.org"
_DOMAIN = "a domain name such as tickets.example"
_ORIGINS = "origins such as https://tickets.example, separated by commas"
_DATABASE = (
    "a libpq URL such as postgresql://user@host/database, with special characters of the password percent-encoded, "
    "or libpq's name=value pairs"
)


def parse_host(text: str) -> str:
    """Return a host to listen on; an IPv6 address without its brackets.

    Raises:
        ValueError: the text is neither an IP address nor a host name.
    """
    host = text[1:-1] if re.fullmatch(r"\[.*:.*\]", text) else text
    try:
        return str(ipaddress.IPv6Address(host)) if ":" in host and "%" not in host else _parse_name(host)
    except ValueError:
        raise ValueError(_HOST) from None


def parse_url(text: str) -> str:
    """Return an http or https URL without a slash at its end.

    Scheme and host are in lower case, an international name is in Punycode, and a default port is absent.

    Raises:
        ValueError: the text is no such URL, or it has a user name, a query or a fragment.
    """
    try:
        parts, origin = _split(text)
    except ValueError:
        raise ValueError(_URL) from None
    return origin + parts.path.rstrip("/")


def parse_mail_server(text: str) -> str:
    """Return the URL of a mail server: smtp or smtps, perhaps with a user name and a password, without a path.

    Raises:
        ValueError: the text is no such URL.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
        is_valid = (
            not re.search(r"[\s\x00-\x1f\\?#]", text)
            and parts.scheme in {"smtp", "smtps"}
            and parts.path in {"", "/"}
            and bool(parts.username) == bool(parts.password)
            and parts.netloc.count("@") <= 1
            and port != 0
        )
        if not host or not is_valid or not re.fullmatch(_PERCENT_ENCODED, parts.netloc):
            raise ValueError
        name = f"[{ipaddress.IPv6Address(host)}]" if ":" in host else _parse_name(host)
    except ValueError:  # The message repeats parts of the text.
        raise ValueError(_MAIL_SERVER) from None
    user, at, _ = parts.netloc.rpartition("@")
    return f"{parts.scheme}://{user}{at}{name}" + ("" if port is None else f":{port}")


def parse_mailbox(text: str) -> str:
    """Return an e-mail address.

    Raises:
        ValueError: the text is no address of ASCII characters, or too long.
    """
    if not re.match(EMAIL_PATTERN, text) or len(text) > EMAIL_MAX:
        raise ValueError(_MAILBOX)
    return text


def is_local_url(url: str) -> bool:
    """Return True if a URL names this machine by a loopback address or as localhost."""
    return is_local_host(urlsplit(url).hostname or "")


def is_local_host(host: str) -> bool:
    """Return True for a loopback address, without brackets, and for localhost."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_within(host: str, domain: str) -> bool:
    """Return True if a host is a domain or a subdomain of it."""
    return host == domain or host.endswith(f".{domain}")


def parse_domain(text: str) -> str:
    """Return a domain name in lower case, with an international name in Punycode.

    Raises:
        ValueError: the text is no domain name, for instance because it is an IP address or a URL.
    """
    try:
        name = _parse_name(text)
        if _NUMBER.fullmatch(name.rpartition(".")[2]) or name.endswith("."):
            raise ValueError
    except ValueError:
        raise ValueError(_DOMAIN) from None
    return name


def parse_origins(text: str) -> str:
    """Return origins, separated by commas, as browsers send them in the header `Origin`.

    Raises:
        ValueError: a part is not an origin, for instance because it has a path, or there is no origin.
    """
    origins = dict.fromkeys(_parse_origin(part.strip()) for part in text.split(",") if part.strip())
    if not origins:
        raise ValueError(_ORIGINS)
    return ",".join(origins)


def parse_database(text: str) -> str:
    """Return libpq's `name=value` pairs for a database, with `target_session_attrs`, so that libpq skips standbys.

    Raises:
        ValueError: libpq cannot read the text, or a host or a port is invalid.
    """
    try:
        parameters = {name: str(value) for name, value in conninfo_to_dict(text).items()}
    except (psycopg.Error, UnicodeError):  # The message repeats parts of the text.
        raise ValueError(_DATABASE) from None
    ports = parameters.get("port", "").split(",")
    lists = [parameters[name].split(",") for name in ("host", "hostaddr") if parameters.get(name)]
    hosts = max(map(len, lists), default=1)
    valid = (
        all(not port or _is_port(port) for port in ports)
        and len(ports) in (1, hosts)
        and all(len(each) == hosts for each in lists)
        and not _has_split_password(text, parameters)
    )
    if not valid:
        raise ValueError(_DATABASE)
    return make_conninfo("", **{"target_session_attrs": "read-write", **parameters})


def _has_split_password(text: str, parameters: dict[str, str]) -> bool:
    """Return True if a URL's password seems to end early, because its `@` or `/` is not percent-encoded.

    libpq would then print the rest of the password as part of the host.
    """
    return bool(_DATABASE_URL.match(text)) and any("@" in parameters.get(name, "") for name in ("host", "dbname"))


def _parse_origin(text: str) -> str:
    try:
        parts, origin = _split(text)
    except ValueError:
        raise ValueError(_ORIGINS) from None
    if parts.path not in ("", "/"):
        raise ValueError(_ORIGINS)
    return origin


def _split(text: str) -> tuple[SplitResult, str]:
    """Return the parts and the origin of a URL."""
    # urlsplit removes control characters.
    if re.search(r"[\s\x00-\x1f\\?#]", text):
        raise ValueError
    parts = urlsplit(text)
    host, port = parts.hostname, parts.port
    if parts.scheme not in _SCHEMES or not host or "@" in parts.netloc or not _PATH.fullmatch(parts.path):
        raise ValueError
    name = f"[{ipaddress.IPv6Address(host)}]" if ":" in host else _parse_name(host)
    if port == 0:
        raise ValueError
    is_default = port in (None, _SCHEMES[parts.scheme])
    return parts, f"{parts.scheme}://{name}" + ("" if is_default else f":{port}")


def _parse_name(host: str) -> str:
    """Return an IPv4 address or a host name in lower case, with an international name in Punycode."""
    name = host.lower() if host.isascii() else idna.encode(host, uts46=True).decode()
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise ValueError
    if _NUMBER.fullmatch(name.rstrip(".").rpartition(".")[2]):
        return str(ipaddress.IPv4Address(name))  # Browsers read 127.1 and 0x7f.1 as addresses, too.
    return name


def _is_port(text: str) -> bool:
    return bool(_PORT.fullmatch(text)) and int(text) <= _PORT_MAX
