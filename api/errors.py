"""The errors of this system: one small tree, and how it is said over HTTP (RFC 9457).

Three branches: `SetupError` ends a process with one sentence for its operator, `ApiError` answers a request, and
`ProviderError` is the payment provider's fault, which is waited out.
"""

from typing import Any, ClassVar


class SetupError(Exception):
    """The system cannot start; the message says what to do about it."""


class ConfigError(SetupError):
    """A setting cannot be used."""


class ProviderError(Exception):
    """The provider could not be asked, or answered with a fault; what became of the request is unknown."""


class ApiError(Exception):
    """A request is refused: a status, a stable code for programs and a sentence for people.

    `details` join the answer's body under their own names, `retry_after_s` becomes the header `Retry-After`.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, message: str, *, retry_after_s: int | None = None, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after_s = retry_after_s
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the answer's body: a problem document with this API's own members."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.message,
            "success": False,
            "code": self.code,
            "message": self.message,
            **self.details,
        }

    def headers(self) -> dict[str, str]:
        """Return the headers that belong to this answer."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


class InvalidRequest(ApiError):
    """The request cannot be understood; `errors` names each field at fault."""

    status, code, title = 400, "invalid_request", "Invalid request"

    def __init__(self, message: str, *, field: str = "body") -> None:
        super().__init__(f"{field}: {message}", errors=[{"field": field, "message": message}])


class Unauthorized(ApiError):
    """The request does not prove who sent it."""

    status, code, title = 401, "unauthorized", "Unauthorized"


class PaymentDeclined(ApiError):
    """The payment was refused and nothing was sold; remembered under its key."""

    status, code, title = 402, "payment_declined", "Payment declined"


class Forbidden(ApiError):
    """The request is somebody else's to make."""

    status, code, title = 403, "forbidden", "Forbidden"


class UnknownTier(ApiError):
    """The event has no tier of this name."""

    status, code, title = 404, "unknown_tier", "Unknown tier"


class UnknownEvent(ApiError):
    """There is no event of this name."""

    status, code, title = 404, "unknown_event", "Unknown event"


class NotFound(ApiError):
    """There is nothing at this address."""

    status, code, title = 404, "not_found", "Not found"


class MethodNotAllowed(ApiError):
    """The address exists, but not for this method."""

    status, code, title = 405, "method_not_allowed", "Method not allowed"


class SoldOut(ApiError):
    """Fewer tickets are left than were asked for, as committed; `available` says how many."""

    status, code, title = 409, "sold_out", "Sold out"


class AllHeld(ApiError):
    """Enough tickets exist, but others are paying for them; `retry_after_s`: when the first hold ends."""

    status, code, title = 409, "all_held", "All held"


class SeatTaken(ApiError):
    """One of the chosen tickets is gone; `ticketIds` says which."""

    status, code, title = 409, "seat_taken", "Seat taken"


class NotOnSale(ApiError):
    """The event's sale has not begun, or is over."""

    status, code, title = 409, "not_on_sale", "Not on sale"


class NotCancellable(ApiError):
    """The booking is not, or not any more, one that can be cancelled."""

    status, code, title = 409, "not_cancellable", "Not cancellable"


class BodyTooLarge(ApiError):
    """The request's body is larger than `BODY_BYTES_MAX`."""

    status, code, title = 413, "body_too_large", "Body too large"


class UnsupportedMediaType(ApiError):
    """The request's body is not JSON."""

    status, code, title = 415, "unsupported_media_type", "Unsupported media type"


class KeyReused(ApiError):
    """The idempotency key belongs to a booking with another body."""

    status, code, title = 422, "key_reused", "Key reused"


class RateLimited(ApiError):
    """A limit is used up; the answer names it, and says when a request will pass again.

    The headers are those of draft-ietf-httpapi-ratelimit-headers: `quota` requests in each `window_s` seconds.
    """

    status, code, title = 429, "rate_limited", "Rate limited"

    def __init__(self, message: str, *, limit: str, quota: int, window_s: int, retry_after_s: int) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self._policy = f'"{limit}";q={quota};w={window_s}'
        self._state = f'"{limit}";r=0;t={retry_after_s}'

    def headers(self) -> dict[str, str]:
        """Return `Retry-After` and the limit's own headers."""
        return {**super().headers(), "RateLimit-Policy": self._policy, "RateLimit": self._state}


class InternalError(ApiError):
    """A fault of this system; its log has the reason."""

    status, code, title = 500, "internal_error", "Internal error"


class Busy(ApiError):
    """Overload, or the database is away: trying again is right. Nothing was done, unless `unknown` is true."""

    status, code, title = 503, "busy", "Busy"
