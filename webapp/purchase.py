"""One purchase: sent under one reference until its outcome is known, so that it cannot book twice."""

import asyncio
import json
import re
import secrets
import string
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from webapp.client import Answer, Problem, Wish
from webapp.models import Order

TRIES = 5
USER_ID_LENGTH_MAX = 128
# A `Retry-After` beyond this is for the buyer to wait out, not for a page that says "sending".
_WAIT_S_MAX = 10
_GIVE_UP_AFTER_S = 40.0
# Given before the key is looked at: they do not tell what became of an earlier attempt under it.
_BEFORE_THE_KEY = {"busy", "rate_limited"}
_KEY = re.compile(r"bk_[a-z2-7]{26}")
_BASE32 = string.ascii_lowercase + "234567"


def new_key() -> str:
    """Return a key for a purchase."""
    return "bk_" + "".join(secrets.choice(_BASE32) for _ in range(26))


@dataclass(frozen=True)
class Purchase:
    """What a buyer wants, and the key that makes repeating it harmless."""

    event: str
    tier: str
    quantity: int
    user_id: str
    ticket_ids: tuple[int, ...] = ()
    """These very seats; empty: any of the tier."""
    reference: str = field(default_factory=new_key)
    """A key that nobody can guess (130 bits)."""
    in_doubt: bool = False
    """Whether an answer was lost, so that it may have been booked."""

    @classmethod
    def from_json(cls, text: str) -> "Purchase | None":
        """Read back what `to_json` wrote; None if it is anything else, for it was kept in a browser."""
        try:
            body = json.loads(text)
            purchase = cls(
                str(body["event"]),
                str(body["tier"]),
                int(body["quantity"]),
                str(body["user_id"]),
                tuple(int(ticket_id) for ticket_id in body["ticket_ids"]),
                str(body["reference"]),
                bool(body["in_doubt"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return purchase if _KEY.fullmatch(purchase.reference) else None

    @classmethod
    def of_key(cls, key: str) -> "Purchase":
        """Return whatever may have been booked under a key."""
        return cls("", "", 0, "", reference=key, in_doubt=True)

    def to_json(self) -> str:
        """Write the purchase as a text that a browser can keep."""
        return json.dumps(asdict(self))

    def same_as(self, other: "Purchase") -> bool:
        """Say whether both want the same, whatever their keys."""
        return self == replace(other, reference=self.reference, in_doubt=self.in_doubt)


class BookingApi(Protocol):
    """The two questions that a purchase asks; the client and a test's stand-in answer them."""

    async def book(self, wish: Wish) -> Answer[Order]:
        """Book, or learn why not."""
        ...

    async def find(self, reference: str) -> Answer[Order]:
        """Learn what became of a booking."""
        ...


def read_form(form: dict[str, Any]) -> Purchase | str:
    """Make a purchase of the form's fields, or return the code of what is wrong with them.

    The API checks again; this only spares the buyer a round trip.
    """
    tier = str(form.get("tier") or "").strip()
    user_id = str(form.get("user_id") or "").strip()
    ticket_ids = _whole_numbers(str(form.get("ticket_ids") or ""))
    quantity = len(ticket_ids) or next(iter(_whole_numbers(str(form.get("quantity") or ""))), 0)
    if not tier:
        return "tier_missing"
    if not user_id:
        return "user_missing"
    if len(user_id) > USER_ID_LENGTH_MAX:
        return "user_too_long"
    if quantity < 1:
        return "quantity_missing"
    return with_key(Purchase(str(form.get("event") or ""), tier, quantity, user_id, ticket_ids), form.get("click"))


def with_key(purchase: Purchase, click: Any) -> Purchase:
    """Return the purchase under the key of its click, which the browser made, so that the tab knows it from then on.

    One that is none leaves the purchase its own.
    """
    key = key_of(click)
    return replace(purchase, reference=key) if key else purchase


def key_of(click: Any) -> str:
    """Return the key of a click, which is `KEY.NUMBER`; "" if it is anything else, for it comes from a browser."""
    key = click.partition(".")[0] if isinstance(click, str) else ""
    return key if _KEY.fullmatch(key) else ""


def _whole_numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part.isascii() and part.isdigit())


async def carry_out(
    purchase: Purchase,
    api: BookingApi,
    tell: Callable[[str, int], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Answer[Order]:
    """Send the purchase, again where that can help, and return the last answer.

    `tell` hears what goes on: `busy` or `asking`, and the number of the next try. After a lost connection the API is
    first asked by the reference: what was booked is not sent again, nor is what was booked under the same key before,
    even if it was something else. Once an answer was lost, "busy" no longer means that nothing was booked, and becomes
    `unreachable`.
    """
    in_doubt = purchase.in_doubt
    deadline = asyncio.get_running_loop().time() + _GIVE_UP_AFTER_S
    for attempt in range(1, TRIES + 1):
        answer = await api.book(purchase)
        problem = answer.problem
        if problem is None:
            return answer
        if problem.kind == "key_reused":
            found = await api.find(purchase.reference)
            return found if found.value is not None else Answer(problem=Problem("unreachable"))
        in_doubt = in_doubt or problem.kind == "unreachable"
        if in_doubt and problem.kind in _BEFORE_THE_KEY:
            problem = replace(problem, kind="unreachable")
        answer = Answer(problem=problem)
        if problem.kind not in {"busy", "unreachable"} or asyncio.get_running_loop().time() > deadline:
            break
        if attempt == TRIES:
            break
        if problem.kind == "busy":
            await tell("busy", attempt + 1)
            await sleep(min(max(problem.retry_after_s, 1), _WAIT_S_MAX))
            continue
        await tell("asking", attempt + 1)
        await sleep(attempt)
        found = await api.find(purchase.reference)
        if found.value is not None:
            return found
    return answer
