"""The address of a request's client, behind any number of trusted proxies.

A proxy appends the address of its own client to `X-Forwarded-For` or `Forwarded` (RFC 7239). A client can send these
headers as well. Therefore only the rightmost addresses count, up to the first one that is not a trusted proxy's.
"""

import functools
import ipaddress
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Headers = Iterable[tuple[bytes, bytes]]

_log = logging.getLogger(__name__)

IPV6_PREFIX = 64
"""Length of the IPv6 prefix that one client usually controls as a whole."""
_HOPS_MAX = 32
"""Number of proxies between client and API up to which the headers are read."""
_NODE_CHARACTERS_MAX = 64
"""Length of the longest address with a port, in characters; a longer text is no address."""
_CACHED_ADDRESSES = 65_536

_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_NODE = re.compile(rf"\[(?P<v6>[0-9A-Fa-f:.]+)\]{_PORT}|(?P<v4>[0-9.]+){_PORT}|(?P<bare>[0-9A-Fa-f:.]+)")
"""A node of a header: IPv6 in brackets or bare, or IPv4; brackets and IPv4 may have a port."""
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
# Many proxies write ports without quotes, so an unquoted value may contain colons and brackets.
_PAIR = re.compile(rf'[ \t]*({_NAME}+)=("(?:[^"\\]|\\.)*"|[^\s",;]*)[ \t]*(?=[,;]|$)')
_EMPTY_ELEMENT = re.compile(r"[ \t]*(?:,|$)")
_ESCAPE = re.compile(r"\\(.)")


class MalformedHeaderError(ValueError):
    """A line of `Forwarded` does not match the grammar of RFC 7239."""


class UntrustedForwarding:
    """Logs a warning once per process if a peer that is no trusted proxy forwards addresses.

    The peer may be a proxy that the operator has forgotten, whose clients then share one limit.
    """

    def __init__(self) -> None:
        self._warned = False

    def check(self, peer: str, headers: Headers, trusted: Sequence[Network]) -> None:
        """Check one request; the arguments are those of `client_address`."""
        if self._warned or not any(name in _NODES_OF for name, _ in headers):
            return
        address = parse_address(peer)
        if address is None or not _is_trusted(address, trusted):
            self._warned = True
            _log.warning(
                "The peer %s sends X-Forwarded-For or Forwarded, but TRUSTED_PROXIES does not contain it. All clients "
                "behind it share one limit.",
                address or "without an address",
            )


class ForwardingToOpenOrders:
    """Logs a warning once per process if a proxy forwards requests while guest orders are open by default.

    They are open because the system seems to serve this machine only. `api/http/open_orders.py` closes them to the
    clients of the proxy, who may be strangers.

    Args:
        is_default: True if guest orders are open without the setting `GUEST_ORDERS`.
    """

    def __init__(self, *, is_default: bool) -> None:
        self._may_warn = is_default

    def check(self, headers: Headers) -> None:
        """Check the headers of one request."""
        if self._may_warn and any(name in _NODES_OF for name, _ in headers):
            self._may_warn = False
            _log.warning(
                "A proxy forwards requests while GUEST_ORDERS is open by default. Its clients cannot access the orders "
                "that were made without a secret. Set PUBLIC_API_URL, or set GUEST_ORDERS."
            )


def client_address(peer: str, headers: Headers, trusted: Sequence[Network]) -> str:
    """Return the address of the client, in its canonical form.

    The result is the address of the last trusted proxy if the headers are absent, contradict each other, or name no
    address of its client.

    Args:
        peer: the other end of the connection; the result if it is no trusted proxy.
        headers: the request's headers, with names in lower case.
        trusted: the networks of the trusted proxies.
    """
    address = parse_address(peer)
    if address is None or not _is_trusted(address, trusted):
        return str(address or peer)
    lines: defaultdict[bytes, list[str]] = defaultdict(list)
    for name, value in headers:
        if name in _NODES_OF:
            lines[name].append(value.decode("latin-1"))
    clients = {_last_untrusted(address, _NODES_OF[name](values), trusted) for name, values in lines.items()}
    # A proxy passes on the header that it does not write. If the two differ, one may be the client's invention.
    return str(clients.pop() if len(clients) == 1 else address)


@functools.lru_cache(maxsize=_CACHED_ADDRESSES)
def client_network(address: str) -> str:
    """Return the key under which an address is limited: IPv4 addresses as they are, IPv6 addresses by their prefix."""
    parsed = parse_address(address)
    if parsed is None or parsed.version == 4:
        return str(parsed or address)
    return str(ipaddress.IPv6Network((parsed, IPV6_PREFIX), strict=False))


def parse_address(text: str) -> Address | None:
    """Return an address without zone, IPv4 if it is mapped into IPv6; None if the text is no address."""
    return _parse(text) if len(text) <= _NODE_CHARACTERS_MAX else None


@functools.lru_cache(maxsize=_CACHED_ADDRESSES)
def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _last_untrusted(proxy: Address, nodes: Iterator[str], trusted: Sequence[Network]) -> Address:
    """Return the first address that is no trusted proxy's; `nodes` starts with the client of `proxy`."""
    try:
        for _, node in zip(range(_HOPS_MAX), nodes, strict=False):
            address = _node_address(node)
            if address is None:  # Unknown or obfuscated. Only the proxy that wrote the value can identify its client.
                break
            proxy = address
            if not _is_trusted(address, trusted):
                break
    except MalformedHeaderError:
        pass
    return proxy


def _node_address(node: str) -> Address | None:
    found = _NODE.fullmatch(node) if len(node) <= _NODE_CHARACTERS_MAX else None
    return parse_address(found["v6"] or found["v4"] or found["bare"]) if found else None


def _x_forwarded_nodes(lines: list[str]) -> Iterator[str]:
    """Yield the nodes of `X-Forwarded-For` from right to left, without empty ones."""
    for line in reversed(lines):
        rest = line
        while rest:
            rest, _, node = rest.rpartition(",")
            if node := node.strip(' \t"'):
                yield node


def _forwarded_nodes(lines: list[str]) -> Iterator[str]:
    """Yield the nodes of `Forwarded` from right to left; an empty one for an element without a node.

    Raises:
        MalformedHeaderError: a line does not match the grammar. Its nodes may then be a client's invention.
    """
    for line in reversed(lines):
        yield from reversed(_forwarded_elements(line))


def _forwarded_elements(line: str) -> list[str]:
    """Return the node of each element of one line."""
    nodes: list[str] = []
    position, in_element = 0, False
    while position < len(line):
        pair = _PAIR.match(line, position)
        if pair is None:
            empty = None if in_element else _EMPTY_ELEMENT.match(line, position)
            if empty is None:
                raise MalformedHeaderError(line[:_NODE_CHARACTERS_MAX])
            position = empty.end()
            continue
        if not in_element:
            nodes.append("")
        name, value = pair.groups()
        if name.lower() == "for":
            nodes[-1] = _ESCAPE.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        position = pair.end() + 1
        in_element = line[pair.end() : position] == ";"
    return nodes


_NODES_OF: Mapping[bytes, Callable[[list[str]], Iterator[str]]] = {
    b"forwarded": _forwarded_nodes,
    b"x-forwarded-for": _x_forwarded_nodes,
}
"""The reader of each header's lines."""
