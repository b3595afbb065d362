"""The simulated payments: their outcomes, and the charges that the payment simulator stores."""

import hashlib
from collections import deque
from typing import Literal

import msgspec

from api.payments.provider import Amount, Charge, ChargeRequest

CHARGES_MAX = 100_000
"""Charges that a store keeps; beyond that it drops the charge that was decided first."""

Outcome = Literal["captured", "declined"]


class ChargeRefused(Exception):
    """The payment simulator refuses a request: an HTTP status, a stable code and a message.

    `field` names the request's invalid field, if there is one.
    """

    def __init__(self, status: int, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field


def decide(reference: str, success_rate: float) -> Outcome:
    """Decide the payment of an order; `success_rate` is the share of references whose payment is captured.

    The outcome depends on the reference alone, so a transaction that runs again after a conflict gets the same
    outcome. The rates 0 and 1 are exact.
    """
    digest = hashlib.blake2b(reference.encode(), digest_size=7, person=b"payment").digest()
    draw = int.from_bytes(digest, "big") / 2**56  # 0 <= draw < 1
    return "captured" if draw < success_rate else "declined"


class ChargeStore:
    """The charges of the payment simulator, in memory; `charges_max` bounds their number."""

    def __init__(self, charges_max: int = CHARGES_MAX) -> None:
        self._charges_max = charges_max
        self._charges: dict[str, Charge] = {}
        self._decided: deque[str] = deque()

    def charges(self) -> list[Charge]:
        """Return every charge, in the order of creation."""
        return list(self._charges.values())

    def get(self, reference: str) -> Charge:
        """Return a charge with its present status.

        Raises:
            ChargeRefused: no charge has this reference.
        """
        if charge := self._charges.get(reference):
            return charge
        raise ChargeRefused(404, "not_found", "No charge has this reference.")

    def create(self, request: ChargeRequest) -> tuple[Charge, bool]:
        """Return the charge of a request, and whether this request created it.

        Raises:
            ChargeRefused: the reference has a charge of another amount, or every charge of a full store is processing.
        """
        amount = Amount(request.amount, request.currency)
        if known := self._charges.get(request.reference):
            known_amount = Amount(known.amount, known.currency)
            if known_amount != amount:
                raise ChargeRefused(422, "key_reused", f"{known.reference} is already a charge of {known_amount}.")
            return known, False
        if len(self._charges) >= self._charges_max:
            if not self._decided:
                raise ChargeRefused(503, "busy", "Too many charges are processing. Try again.")
            del self._charges[self._decided.popleft()]
        charge = Charge(reference=request.reference, amount=amount.minor, currency=amount.currency, status="processing")
        self._charges[charge.reference] = charge
        return charge, True

    def decide(self, reference: str, success_rate: float) -> Charge:
        """Capture or decline a charge that is processing; return it."""
        charge = msgspec.structs.replace(self._charges[reference], status=decide(reference, success_rate))
        self._charges[reference] = charge
        self._decided.append(reference)
        return charge

    def refund(self, reference: str) -> tuple[Charge, bool]:
        """Refund a captured charge; return it, and whether this request refunded it.

        Raises:
            ChargeRefused: no charge has this reference, or it was not captured.
        """
        charge = self.get(reference)
        if charge.status == "refunded":
            return charge, False
        if charge.status != "captured":
            raise ChargeRefused(
                409, "not_cancellable", f"{reference} is {charge.status}. Only a captured charge can be refunded."
            )
        refunded = msgspec.structs.replace(charge, status="refunded")
        self._charges[reference] = refunded
        return refunded, True
