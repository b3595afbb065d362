"""What the pages' server reads of the API's answers; the rest the browser reads by itself."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Ticket:
    """One ticket of an order."""

    id: int
    seated: bool


@dataclass(frozen=True)
class Order:
    """A booking as the API tells it, under its reference; all its tickets are of one tier."""

    reference: str
    status: str
    event: str
    tier: str
    user_id: str
    tickets: tuple[Ticket, ...]

    @classmethod
    def from_api(cls, body: dict[str, Any]) -> "Order":
        """Read the object that `/api/bookings` answers with.

        Raises:
            KeyError, TypeError, ValueError: the body is not an order.
        """
        bookings = body["bookings"]
        if not bookings:
            raise ValueError("an order without tickets")
        return cls(
            reference=str(body["reference"]),
            status=str(body["status"]),
            event=str(body["event"]),
            tier=str(bookings[0]["tier"]),
            user_id=str(bookings[0]["userId"]),
            tickets=tuple(Ticket(int(each["ticketId"]), each.get("seat") is not None) for each in bookings),
        )
