"""Idempotency keys: a repeated request returns the first response, and other parameters are refused."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from api.payments.stripe_simulator.errors import StripeRefused

KEYS_MAX: Final = 100_000
"""Keys that the simulator keeps; beyond that it drops the oldest."""
KEY_LENGTH_MAX: Final = 255
"""The longest key, in characters."""


class Idempotency:
    """The responses to requests with keys. A refused request keeps no key, so that it may be corrected."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[bytes, bytes]] = {}
        """The request and the response of each key."""

    def run(
        self, key: str | None, path: str, fields: dict[str, Any], make: Callable[[], dict[str, Any]]
    ) -> tuple[bytes, bool]:
        """Return the response to a request as JSON, and whether it repeats an earlier one.

        Raises:
            StripeRefused: the key belongs to a request with other parameters, or `make` refuses the request.
        """
        if key is None:
            return msgspec.json.encode(make()), False
        if not 0 < len(key) <= KEY_LENGTH_MAX:
            raise StripeRefused(
                f"Idempotency keys must have 1 to {KEY_LENGTH_MAX} characters.", kind="idempotency_error"
            )
        request = msgspec.json.encode([path, fields], order="deterministic")
        if known := self._known.get(key):
            if known[0] != request:
                raise StripeRefused(
                    "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                    kind="idempotency_error",
                )
            return known[1], True
        response = msgspec.json.encode(make())
        if len(self._known) >= KEYS_MAX:
            del self._known[next(iter(self._known))]
        self._known[key] = request, response
        return response, False
