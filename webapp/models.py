"""What pages show. Plain dataclasses: Reflex sends them to the browser field by field."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Concert:
    """The event on sale. The API sells it; its name, place and date are content of these pages."""

    title: str
    venue: str
    weekday: str
    day: str
    month: str
    year: str
    time: str
    starts_at: str
    lead: str


CONCERT = Concert(
    title="Aurora Sessions",
    venue="Harbour Hall",
    weekday="Friday",
    day="18",
    month="June",
    year="2027",
    time="20:00",
    starts_at="2027-06-18T20:00",
    lead="One night of strings, synths and northern light, live by the water.",
)


@dataclass(frozen=True)
class Ticket:
    """One ticket of an order."""

    id: int
    tier: str
    price: float
    place: str

    @classmethod
    def from_api(cls, body: dict[str, Any]) -> "Ticket":
        """Read one element of an order's `bookings`."""
        row, seat = body.get("row"), body.get("seat")
        place = f"Row {row}, seat {seat}" if row is not None and seat is not None else "Standing"
        return cls(id=body["ticketId"], tier=body["tier"], price=float(body["price"]), place=place)


@dataclass(frozen=True)
class Order:
    """A booking as the API tells it, under its reference."""

    reference: str
    status: str
    total: float
    currency: str
    tickets: list[Ticket] = field(default_factory=list)
    title: str = ""
    booked_at: str = ""
    user_id: str = ""

    @classmethod
    def from_api(cls, body: dict[str, Any]) -> "Order":
        """Read the object that `/api/bookings` answers with.

        Raises:
            KeyError, TypeError, ValueError: the body is not an order.
        """
        reference, bookings = str(body["reference"]), body.get("bookings") or []
        tickets = [Ticket.from_api(booking) for booking in bookings]
        first = bookings[0] if bookings else {}
        return cls(
            reference=reference,
            status=body["status"],
            total=float(body["total"]),
            currency=body.get("currency", "USD"),
            tickets=tickets,
            title=f"{len(tickets)} \u00d7 {tickets[0].tier}" if tickets else "No tickets",
            booked_at=first.get("createdAt", ""),
            user_id=first.get("userId", ""),
        )


NO_ORDER = Order(reference="", status="", total=0, currency="USD")
