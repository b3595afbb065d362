"""The simulated payments: their outcomes, and the charges that the payment simulator stores."""

import hashlib
import secrets
from collections import deque
from typing import Literal

import msgspec

from api.payments.provider import Amount, Charge, ChargeRequest, Refund, RefundBody

CHARGES_MAX = 100_000
"""Charges that a store keeps; beyond that it drops the charge that was decided first."""
REFUNDS_OF_CHARGE_MAX = 1000
"""Refunds of one charge; an order has at most as many tickets."""

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
        self._refunds: dict[str, dict[str, Refund]] = {}
        """The refunds of each charge, by their keys."""

    def charges(self) -> list[Charge]:
        """Return every charge, in the order of creation."""
        return list(self._charges.values())

    def refunds(self) -> list[Refund]:
        """Return every refund, by charge and in the order of creation."""
        return [refund for refunds in self._refunds.values() for refund in refunds.values()]

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
            dropped = self._decided.popleft()
            del self._charges[dropped]
            self._refunds.pop(dropped, None)
        charge = Charge(reference=request.reference, amount=amount.minor, currency=amount.currency, status="processing")
        self._charges[charge.reference] = charge
        return charge, True

    def decide(self, reference: str, success_rate: float) -> Charge:
        """Capture or decline a charge that is processing; return it."""
        charge = msgspec.structs.replace(self._charges[reference], status=decide(reference, success_rate))
        self._charges[reference] = charge
        self._decided.append(reference)
        return charge

    def refund(self, reference: str, body: RefundBody) -> tuple[Refund, Charge | None]:
        """Refund a part of a captured charge, once for each key.

        Returns:
            The refund, and the charge if this request refunded the rest of it.

        Raises:
            ChargeRefused: no charge has this reference, it was not captured, less than the amount is left, or the key
                belongs to a refund of another amount.
        """
        charge = self.get(reference)
        amount = Amount(body.amount, body.currency)
        known = self._refunds.setdefault(reference, {})
        if refund := known.get(body.key):
            if (refund.amount, refund.currency) != amount:
                raise ChargeRefused(422, "key_reused", "The key belongs to a refund of another amount.")
            return refund, None
        if charge.status not in {"captured", "refunded"}:
            message = f"{reference} is {charge.status}. Only a captured charge can be refunded."
            raise ChargeRefused(409, "not_cancellable", message)
        left = Amount(charge.amount - charge.refunded, charge.currency)
        if amount.currency != left.currency or amount.minor > left.minor or len(known) >= REFUNDS_OF_CHARGE_MAX:
            raise ChargeRefused(409, "refund_too_large", f"{left} of {reference} can be refunded, not {amount}.")
        refund = Refund(
            id=f"re_{secrets.token_hex(12)}",
            key=body.key,
            reference=reference,
            amount=amount.minor,
            currency=amount.currency,
            status="succeeded",
        )
        known[body.key] = refund
        is_whole = amount == left
        self._charges[reference] = msgspec.structs.replace(
            charge, refunded=charge.refunded + amount.minor, status="refunded" if is_whole else charge.status
        )
        return refund, self._charges[reference] if is_whole else None

    def get_refund(self, reference: str, key: str) -> Refund:
        """Return a refund of a charge.

        Raises:
            ChargeRefused: no refund of the charge has this key.
        """
        if refund := self._refunds.get(reference, {}).get(key):
            return refund
        raise ChargeRefused(404, "not_found", "No refund has this key.")
