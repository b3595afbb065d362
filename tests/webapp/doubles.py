"""A stand-in for the API's client, with answers that a test hands out."""

from collections.abc import Iterable
from typing import Any

from webapp.client import Answer, Kind, OrderPage, Problem
from webapp.models import Order, Ticket

ORDER = Order(
    reference="bk_1",
    status="confirmed",
    total=200.0,
    currency="USD",
    tickets=[Ticket(1, "VIP", 100.0, "Row A, seat 1"), Ticket(2, "VIP", 100.0, "Row A, seat 2")],
    title="2 \u00d7 VIP",
    booked_at="2026-11-22T10:00:00Z",
    user_id="user-1",
)


def problem(kind: Kind, message: str = "", **details: Any) -> Answer[Any]:
    """Return an answer that is a problem."""
    return Answer(problem=Problem(kind, message or f"About {kind}", **details))


class FakeApi:
    """Hands out its answers in turn and notes what was asked."""

    def __init__(
        self,
        *,
        book: Iterable[Answer[Order]] = (),
        find: Iterable[Answer[Order]] = (),
        orders: Iterable[Answer[OrderPage]] = (),
    ) -> None:
        self._book, self._find, self._orders = iter(book), iter(find), iter(orders)
        self.asked: list[tuple[str, str]] = []

    async def book(self, *, tier: str, quantity: int, user_id: str, reference: str) -> Answer[Order]:
        self.asked.append(("book", reference))
        self.wanted = (tier, quantity, user_id)
        return next(self._book)

    async def find(self, reference: str) -> Answer[Order]:
        self.asked.append(("find", reference))
        return next(self._find)

    async def orders_of(self, user_id: str, cursor: str = "") -> Answer[OrderPage]:
        self.asked.append((user_id, cursor))
        return next(self._orders)
