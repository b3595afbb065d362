"""The clients of the staff pages' server: their addresses, and quotas of what they cause at the API.

The API counts all requests of this server as those of one client. Without quotas here a stranger could use up that
client's limit, and nobody could use the staff pages. `api/http/client_address.py` and `api/http/rate_limit.py` have the
rules of the API, which the web app does not import.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from webapp.settings import Network

_IPV6_PREFIX = 64
"""Length of the IPv6 prefix that one client usually controls as a whole."""
_KEYS_MAX = 10_000
_ROUNDING_S = 1e-6


def client_network(peer: str, headers: Iterable[tuple[bytes, bytes]], trusted: Sequence[Network]) -> str:
    """Return the key of a client: its IPv4 address, or the network of its IPv6 address.

    Only the rightmost addresses of `X-Forwarded-For` count, up to the first one that is not a trusted proxy's, because
    a client can send this header as well.

    Args:
        peer: the other end of the connection.
        headers: the request's headers, with names in lower case.
        trusted: the networks of the trusted proxies.
    """
    address = _parse(peer)
    if address is None:
        return peer
    sent = ",".join(value.decode("latin-1") for name, value in headers if name == b"x-forwarded-for")
    for text in reversed([part.strip() for part in sent.split(",") if part.strip()]):
        if not _is_trusted(address, trusted) or (forwarded := _parse(text)) is None:
            break
        address = forwarded
    return str(address if address.version == 4 else IPv6Network((address, _IPV6_PREFIX), strict=False))


class Quota:
    """Limit each key to some units in a window, with bursts of one window's units.

    Args:
        units: the units of a key in each window.
        window_s: the length of the window.
        clock: returns monotonic seconds.
    """

    def __init__(self, units: int, window_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval_s = window_s / units
        self._window_s = window_s
        self._clock = clock
        self._used_until: OrderedDict[str, float] = OrderedDict()
        """The time at which a key has all of its units again, least recently used key first."""

    def take(self, key: str) -> bool:
        """Take a unit of a key; return False if there is none."""
        now = self._clock()
        used_until = max(self._used_until.get(key, now), now) + self._interval_s
        if used_until - now > self._window_s + _ROUNDING_S:
            return False
        self._used_until[key] = used_until
        self._used_until.move_to_end(key)
        if len(self._used_until) > _KEYS_MAX:
            self._used_until.popitem(last=False)
        return True

    def give_back(self, key: str) -> None:
        """Give a taken unit back."""
        if key in self._used_until:
            self._used_until[key] -= self._interval_s


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """Return an address, IPv4 if it is mapped into IPv6; None if the text is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _is_trusted(address: IPv4Address | IPv6Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)
