"""Settings of the limits of the staff pages' server, to which everybody can connect."""

from typing import Annotated

import msgspec

from api.settings.addresses import AddressSettings


class StaffPageSettings(AddressSettings, frozen=True, kw_only=True):
    """The limits of the staff pages' server. `webapp/settings.py` reads the same variables."""

    staff_connections_max: Annotated[int, msgspec.Meta(ge=10, le=100_000)] = 500
    """Open connections of the staff pages' server, from 10 to 100,000; further ones wait."""
    staff_messages_per_s: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    """Messages that a connection to the staff pages' server may send in a second, from 1 to 1000."""
    staff_messages_burst: Annotated[int, msgspec.Meta(ge=10, le=10_000)] = 100
    """Messages that such a connection may send at once, from 10 to 10,000. One more ends the connection."""
    staff_states_max: Annotated[int, msgspec.Meta(ge=10, le=100_000)] = 1000
    """States in the memory of the staff pages' server, from 10 to 100,000, as long as fewer tabs are connected."""
    staff_refusals_per_minute: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 60
    """Cookies of one client address that the API may refuse to the staff pages' server in a minute, up to 10,000.

    The server requests no more for further unknown cookies of the address. An address of IPv6 counts with its /64
    network.
    """
    staff_requests_per_minute: Annotated[int, msgspec.Meta(ge=60, le=1_000_000)] = 1200
    """Requests that one client address may cause from the staff pages' server to the API in a minute, from 60 to a
    million. An address of IPv6 counts with its /64 network.
    """
