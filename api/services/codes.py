"""Ticket codes: signed against forgery, and short for a small QR code.

A code such as `T1-17-2RBZ…` consists of the version, the booking's id and a truncated HMAC-SHA256 in base32. The
signature covers the ticket's reference as well, because a recreated database reuses ids. The characters are from the
alphanumeric mode of QR codes, which is the most compact for text. A code contains no details of the ticket, because
check-in reads the booking's current state from the database.
"""

import base64
import functools
import hashlib
import hmac
import io
import re

import segno

from api.database.pool import Pool
from api.database.session import open_session
from api.errors import NotFound
from api.services.access import Access
from api.services.event_rules import takes_place
from api.services.order_rows import ticket_reference
from api.services.orders import find_confirmed, find_event
from api.settings.secrets import TICKET_SECRET

MEDIA_TYPE = "image/svg+xml"

_VERSION = "T1"
_SIGNATURE_BYTES = 15
"""120 bits are infeasible to guess and need no padding in base32."""
_CODE = re.compile(r"T1-(?P<booking_id>[1-9][0-9]{0,18})-[A-Z2-7]{24}")
_BOOKING_ID_MAX = 2**63 - 1

_CACHED_IMAGES = 1000
"""Number of images in memory, of a few kilobytes each. Drawing one takes milliseconds."""
_QUIET_ZONE = 4
"""The white margin in modules that the QR code standard requires."""


def sign(secret: str, booking_id: int, reference: str) -> str:
    """Return the code of a ticket; `reference` is the reference of the ticket, which ends with its line."""
    signed = f"{_VERSION}-{booking_id}"
    mac = hmac.digest(TICKET_SECRET.key(secret), f"{signed}-{reference}".encode(), hashlib.sha256)
    return f"{signed}-{base64.b32encode(mac[:_SIGNATURE_BYTES]).decode()}"


def normal(code: str) -> str:
    """Return the canonical form of a typed or scanned code, without whitespace and in upper case."""
    return code.strip().upper()


def booking_id_of(code: str) -> int | None:
    """Return the booking id in a code, without verifying the signature; None if the format is wrong."""
    parts = _CODE.fullmatch(code)
    booking_id = int(parts["booking_id"]) if parts else None
    return None if booking_id is None or booking_id > _BOOKING_ID_MAX else booking_id


def is_genuine(secret: str, code: str, booking_id: int, reference: str) -> bool:
    """Return True if the code has this ticket's signature."""
    # In constant time, so that the duration reveals nothing about the correct signature.
    return hmac.compare_digest(sign(secret, booking_id, reference).encode(), code.encode())


@functools.lru_cache(maxsize=_CACHED_IMAGES)
def draw(code: str) -> bytes:
    """Return the QR code as SVG: dark on white with its quiet zone, scalable to any size."""
    image = io.BytesIO()
    segno.make_qr(code, error="m").save(
        image,
        kind="svg",
        border=_QUIET_ZONE,
        light="#fff",
        omitsize=True,  # has a viewBox instead
        xmldecl=False,
        svgclass=None,
        lineclass=None,
        nl=False,
    )
    return image.getvalue()


async def draw_ticket(pool: Pool, secret: str, reference: str, line: int, access: Access) -> bytes:
    """Return the QR code of one ticket of an order as SVG.

    Raises:
        NotFound: the request may not access the order, the order is not confirmed or has no such ticket, or its event
            is cancelled.
    """
    async with open_session(pool) as session:
        order, bookings = await find_confirmed(session, reference, access)
        event = await find_event(session, order.id)
    if not takes_place(event):
        raise NotFound(f"valid ticket of booking {reference}, whose event is cancelled")
    booking = next((each for each in bookings if each.line == line), None)
    if booking is None:
        raise NotFound(f"ticket {line} of booking {reference}")
    return draw(sign(secret, booking.id, ticket_reference(order.reference, line)))
