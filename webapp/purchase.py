"""One purchase: sent under one reference until its outcome is known, so that it cannot book twice."""

import asyncio
import json
import re
import secrets
import string
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from webapp.client import Answer
from webapp.models import Order

TRIES = 5
USER_ID_LENGTH_MAX = 128
# A `Retry-After` beyond this is for the buyer to wait out, not for a page that says "sending".
_WAIT_S_MAX = 10
_GIVE_UP_AFTER_S = 40.0
# Given before the key is looked at: they do not tell what became of an earlier attempt under it.
_BEFORE_THE_KEY = {"busy", "rate_limited"}
_REFERENCE = re.compile(r"bk_[a-z2-7]{26}")
_BASE32 = string.ascii_lowercase + "234567"


@dataclass(frozen=True)
class Purchase:
    """What a buyer wants, and the key that makes repeating it harmless."""

    tier: str
    quantity: int
    user_id: str
    reference: str
    in_doubt: bool = False
    """Whether an answer was lost, so that it may have been booked."""

    @classmethod
    def new(cls, tier: str, quantity: int, user_id: str) -> "Purchase":
        """Start a purchase under a key that nobody can guess (130 bits)."""
        return cls(tier, quantity, user_id, "bk_" + "".join(secrets.choice(_BASE32) for _ in range(26)))

    @classmethod
    def from_json(cls, text: str) -> "Purchase | None":
        """Read back what `to_json` wrote; None if it is anything else, for it was kept in a browser."""
        try:
            body = json.loads(text)
            purchase = cls(
                str(body["tier"]),
                int(body["quantity"]),
                str(body["user_id"]),
                str(body["reference"]),
                bool(body["in_doubt"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None
        return purchase if _REFERENCE.fullmatch(purchase.reference) else None

    def to_json(self) -> str:
        """Write the purchase as a text that a browser can keep."""
        return json.dumps(asdict(self))

    def same_as(self, other: "Purchase") -> bool:
        """Say whether both want the same, whatever their keys."""
        return (self.tier, self.quantity, self.user_id) == (other.tier, other.quantity, other.user_id)


class BookingApi(Protocol):
    """The two questions that a purchase asks; the client and a test's stand-in answer them."""

    async def book(self, *, tier: str, quantity: int, user_id: str, reference: str) -> Answer[Order]:
        """Book, or learn why not."""
        ...

    async def find(self, reference: str) -> Answer[Order]:
        """Learn what became of a booking."""
        ...


def read_form(form: dict[str, Any]) -> Purchase | str:
    """Make a purchase of the form's fields, or say what is wrong with them.

    The API checks again; this only spares the buyer a round trip.
    """
    tier = str(form.get("tier") or "").strip()
    user_id = str(form.get("user_id") or "").strip()
    if not tier:
        return "Choose a tier first."
    if not user_id:
        return "Type your user id, so that you find your tickets again."
    if len(user_id) > USER_ID_LENGTH_MAX:
        return f"A user id has at most {USER_ID_LENGTH_MAX} characters."
    try:
        quantity = int(form.get("quantity") or 0)
    except (TypeError, ValueError):
        quantity = 0
    if quantity < 1:
        return "Choose how many tickets."
    return Purchase.new(tier, quantity, user_id)


async def carry_out(
    purchase: Purchase,
    api: BookingApi,
    tell: Callable[[str], Awaitable[None]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Answer[Order]:
    """Send the purchase, again where that can help, and return the last answer.

    After a lost connection the API is first asked by the reference: what was booked is not sent again. Once
    an answer was lost, "busy" no longer means that nothing was booked, and becomes `unreachable`.
    """
    in_doubt = purchase.in_doubt
    deadline = asyncio.get_running_loop().time() + _GIVE_UP_AFTER_S
    for attempt in range(1, TRIES + 1):
        answer = await api.book(
            tier=purchase.tier,
            quantity=purchase.quantity,
            user_id=purchase.user_id,
            reference=purchase.reference,
        )
        problem = answer.problem
        if problem is None:
            return answer
        in_doubt = in_doubt or problem.kind == "unreachable"
        if in_doubt and problem.kind in _BEFORE_THE_KEY:
            problem = replace(problem, kind="unreachable")
        answer = Answer(problem=problem)
        if problem.kind not in {"busy", "unreachable"} or asyncio.get_running_loop().time() > deadline:
            break
        if attempt == TRIES:
            break
        if problem.kind == "busy":
            await tell(f"Very busy, trying again ({attempt + 1}/{TRIES})")
            await sleep(min(max(problem.retry_after_s, 1), _WAIT_S_MAX))
            continue
        await tell(f"Connection lost, asking what became of your booking ({attempt + 1}/{TRIES})")
        await sleep(attempt)
        found = await api.find(purchase.reference)
        if found.value is not None:
            return found
    return answer
