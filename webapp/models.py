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
    """A booking as the API tells it, under its reference; all its tickets are of one tier.

    One that was declined before anything was held has no tickets, and then neither tier nor buyer is known.
    """

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
        bookings, status = body["bookings"], str(body["status"])
        if not bookings and status != "declined":
            raise ValueError("an order without tickets")
        first = bookings[0] if bookings else {"tier": "", "userId": ""}
        return cls(
            reference=str(body["reference"]),
            status=status,
            event=str(body["event"]),
            tier=str(first["tier"]),
            user_id=str(first["userId"]),
            tickets=tuple(Ticket(int(each["ticketId"]), each.get("seat") is not None) for each in bookings),
        )
