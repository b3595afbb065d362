"""The code on a ticket: signed, so that nobody can make one up, and short, so that its QR code is small.

A code is `T1-17-2RBZ…`: the version of its making, the booking's id, and the beginning of an HMAC-SHA256 in base32.
The signature covers the ticket's reference too, so that a code of a database that was started over is none of the new
one's, though ids come again. All its characters are of the alphabet that QR codes hold most of. What the ticket is
for is not in it: the door has to ask the database anyway, whether it still admits.
"""

import base64
import hashlib
import hmac
import io
import re

import segno

from api.config import TICKET_SECRET
from api.database.pool import Pool
from api.database.session import open_session
from api.errors import NotFound
from api.services.order_rows import ticket_reference
from api.services.orders import find_confirmed

MEDIA_TYPE = "image/svg+xml"

_VERSION = "T1"
_SIGNATURE_BYTES = 15
"""120 bits: beyond guessing, and without padding in base32."""
_CODE = re.compile(r"T1-(?P<booking_id>[1-9][0-9]{0,18})-[A-Z2-7]{24}")
_BOOKING_ID_MAX = 2**63 - 1

_QUIET_ZONE = 4
"""Modules of white around the code, as its standard demands: a dark page must not come closer."""


def sign(secret: str, booking_id: int, reference: str) -> str:
    """Return the code of a booking's ticket; `reference` is the ticket's own, which ends with its line."""
    signed = f"{_VERSION}-{booking_id}"
    mac = hmac.digest(TICKET_SECRET.key(secret), f"{signed}-{reference}".encode(), hashlib.sha256)
    return f"{signed}-{base64.b32encode(mac[:_SIGNATURE_BYTES]).decode()}"


def normal(code: str) -> str:
    """Return a code as it was made, of one that may have been typed or have come from a scanner with a line's end."""
    return code.strip().upper()


def booking_id_of(code: str) -> int | None:
    """Return which booking a code, genuine or not, claims to be of; None: it is no code at all."""
    parts = _CODE.fullmatch(code)
    booking_id = int(parts["booking_id"]) if parts else None
    return None if booking_id is None or booking_id > _BOOKING_ID_MAX else booking_id


def is_genuine(secret: str, code: str, booking_id: int, reference: str) -> bool:
    """Whether a code was made with this secret, for this booking's ticket."""
    # In constant time: how far a wrong signature was right must not be measurable.
    return hmac.compare_digest(sign(secret, booking_id, reference).encode(), code.encode())


def draw(code: str) -> bytes:
    """Return a code's QR code as SVG: dark on white with its quiet zone, as large as where it is put."""
    image = io.BytesIO()
    segno.make_qr(code, error="m").save(
        image,
        kind="svg",
        border=_QUIET_ZONE,
        light="#fff",
        omitsize=True,  # a viewBox instead
        xmldecl=False,
        svgclass=None,
        lineclass=None,
        nl=False,
    )
    return image.getvalue()


async def draw_ticket(pool: Pool, secret: str, reference: str, line: int) -> bytes:
    """Return the image of the code that one ticket of an order admits with.

    Raises:
        NotFound: there is no such ticket, or its order is not confirmed.
    """
    async with open_session(pool) as session:
        order, bookings = await find_confirmed(session, reference)
    booking = next((each for each in bookings if each.line == line), None)
    if booking is None:
        raise NotFound(f"ticket {line} of booking {reference}")
    return draw(sign(secret, booking.id, ticket_reference(order.reference, line)))
