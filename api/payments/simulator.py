"""How the simulated payments turn out, within a booking request and at the simulated provider alike."""

import hashlib
from typing import Literal

Outcome = Literal["captured", "declined"]


def decide(reference: str, success_rate: float) -> Outcome:
    """Decide the payment of an order; `success_rate` is the share of references whose payment is captured.

    The outcome is a function of the reference alone: when a transaction is run again after a conflict, the
    dice are not rolled again. Rates of 0 and 1 are exact.
    """
    digest = hashlib.blake2b(reference.encode(), digest_size=7, person=b"payment").digest()
    draw = int.from_bytes(digest, "big") / 2**56  # 0 <= draw < 1
    return "captured" if draw < success_rate else "declined"
