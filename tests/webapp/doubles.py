"""A stand-in for the API's client, with answers that a test hands out."""

from collections.abc import Iterable
from typing import Any

from webapp.client import Answer, Kind, Problem, Wish
from webapp.models import Order, Ticket

ORDER = Order(
    reference="bk_1",
    status="confirmed",
    event="concert",
    tier="VIP",
    user_id="user-1",
    tickets=(Ticket(1, seated=True), Ticket(2, seated=True)),
)


def problem(kind: Kind, **details: Any) -> Answer[Any]:
    """Return an answer that is a problem."""
    return Answer(problem=Problem(kind, **details))


class FakeApi:
    """Hands out its answers in turn and notes what was asked."""

    def __init__(
        self,
        *,
        book: Iterable[Answer[Order]] = (),
        find: Iterable[Answer[Order]] = (),
        cancel: Iterable[Answer[Order]] = (),
    ) -> None:
        self._book, self._find, self._cancel = iter(book), iter(find), iter(cancel)
        self.asked: list[tuple[str, str]] = []

    async def book(self, wish: Wish) -> Answer[Order]:
        self.asked.append(("book", wish.reference))
        self.wanted = (wish.event, wish.tier, wish.quantity, wish.user_id, wish.ticket_ids)
        return next(self._book)

    async def find(self, reference: str) -> Answer[Order]:
        self.asked.append(("find", reference))
        return next(self._find)

    async def cancel(self, reference: str, user_id: str) -> Answer[Order]:
        self.asked.append(("cancel", reference))
        self.canceller = user_id
        return next(self._cancel)
