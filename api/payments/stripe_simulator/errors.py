"""Refusals in the form of Stripe's errors."""

from typing import Any


class StripeRefused(Exception):
    """The simulator refuses a request with an HTTP status, an error type, a message, a code and a parameter."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"type": kind, "message": message}
        self.error |= {name: value for name, value in (("code", code), ("param", param)) if value is not None}


def missing(kind: str, object_id: str) -> StripeRefused:
    """Return the refusal of a request for an unknown object."""
    return StripeRefused(f"No such {kind}: '{object_id}'", status=404, code="resource_missing", param="id")
