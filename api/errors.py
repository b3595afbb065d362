"""The error tree.

- `SetupError` ends a process. Its message is for the operator. `ConfigError` is the variant for settings.
- `ApiError` refuses a request. Each subclass defines one refusal: status, code, title, message, headers and members.

Problem documents (RFC 9457) and the OpenAPI description derive from the subclasses of `ApiError`. A unit test compares
their codes with the codes that the web app handles.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal

from api.money import format_amount, to_major
from api.schemas import BYTES_PATTERN, CURRENCY_PATTERN, REFERENCE_PATTERN, SLUG_PATTERN
from api.text import EMAIL_PATTERN, TEXT_PATTERN, TEXT_RULE


class SetupError(Exception):
    """A process cannot start. The message tells the operator the remedy."""


class ConfigError(SetupError):
    """A setting or an argument has an invalid value."""


class ApiError(Exception):
    """A refused request: a status, a stable code for programs and a sentence for people.

    `details` holds further members of the problem document under their names on the wire. `retry_after_s` becomes the
    header `Retry-After`. The docstring of a subclass describes the refusal in the OpenAPI document.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]

    def __init_subclass__(cls, *, status: int, code: str) -> None:
        super().__init_subclass__()
        cls.status, cls.code, cls.title = status, code, code.capitalize().replace("_", " ")

    def __init__(
        self, message: str, details: Mapping[str, Any] | None = None, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details = dict(details or {})
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """Return the members of the problem document. `api.schemas.Problem` declares their types."""
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
        """Return the headers of the response."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


class InvalidRequest(ApiError, status=400, code="invalid_request"):
    """The request has a wrong, missing or unknown field. `errors` names each field at fault."""

    def __init__(self, message: str, *, field: str = "body") -> None:
        super().__init__(f"{field}: {message}", {"errors": [{"field": field, "message": message}]})

    @classmethod
    def combine(cls, refusals: Sequence["InvalidRequest"]) -> "InvalidRequest":
        """Return one refusal that names the faults of several; there is at least one."""
        combined = cls("")
        combined.message = "; ".join(refusal.message for refusal in refusals)
        combined.details["errors"] = [fault for refusal in refusals for fault in refusal.details["errors"]]
        return combined


class Unauthorized(ApiError, status=401, code="unauthorized"):
    """The request does not authenticate its sender.

    Its signature, token, link, password or passkey is missing or not valid.
    """

    def __init__(self, message: str = "The signature is missing, wrong or too old.", scheme: str = "") -> None:
        """`scheme` is the scheme of the header `Authorization` that the request needs; empty for none."""
        super().__init__(message)
        self._scheme = scheme

    @classmethod
    def sign_in(cls) -> "Unauthorized":
        """Return the refusal of every failed sign-in, which does not reveal the reason, and of every invalid token."""
        return cls("Sign in again. The token, link, password or passkey is missing, wrong, used or too old.", "Bearer")

    def headers(self) -> dict[str, str]:
        """Return the header with the scheme."""
        return {"WWW-Authenticate": self._scheme} if self._scheme else {}


class PaymentDeclined(ApiError, status=402, code="payment_declined"):
    """The payment was declined and nothing was sold. Repeats with the same key get the same response."""

    def __init__(self, reference: str) -> None:
        super().__init__("The payment was declined, so nothing was booked.", {"reference": reference})


class Forbidden(ApiError, status=403, code="forbidden"):
    """The booking belongs to another buyer, or the account lacks the role or a recent sign-in.

    The refusal also applies if `WEB_ORIGINS` does not list the page's origin, or to a remote client.
    """

    def __init__(self, message: str = "This booking belongs to another buyer.") -> None:
        super().__init__(message)


class UnknownTier(ApiError, status=404, code="unknown_tier"):
    """The event has no tier with this name."""

    def __init__(self, tier: str) -> None:
        super().__init__(f"The event has no tier {tier!r}.")


class UnknownEvent(ApiError, status=404, code="unknown_event"):
    """No event has this slug."""

    def __init__(self, slug: str | None) -> None:
        super().__init__(f"There is no event {slug!r}.")


class NotFound(ApiError, status=404, code="not_found"):
    """The requested object does not exist."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"There is no {subject}.")


class MethodNotAllowed(ApiError, status=405, code="method_not_allowed"):
    """The address does not support this method. The header `Allow` lists the supported ones."""

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"This address does not support {method}. It supports {allowed}.")
        self._allowed = allowed

    def headers(self) -> dict[str, str]:
        """Return the header `Allow`."""
        return {"Allow": self._allowed}


class SoldOut(ApiError, status=409, code="sold_out"):
    """Fewer tickets are left than requested. `available` is the number of available tickets after the last commit."""

    def __init__(self, tier: str, available: int) -> None:
        message = (
            f"Only {_tickets(available)} of {tier} {_are(available)} left." if available else f"{tier} is sold out."
        )
        super().__init__(message, {"available": available})


class AllHeld(ApiError, status=409, code="all_held"):
    """Enough tickets exist, but other buyers are paying for them.

    `Retry-After` is the number of seconds until the first hold ends. `available` is the number of available tickets
    after the last commit.
    """

    def __init__(self, tier: str, available: int, *, retry_after_s: int) -> None:
        message = (
            f"Only {available} of {tier} {_are(available)} available. "
            "Other buyers hold more of them and may release some."
            if available
            else f"Other buyers hold the remaining tickets of {tier} in unfinished bookings. Some may become available."
        )
        super().__init__(message, {"available": available}, retry_after_s=retry_after_s)


class SeatTaken(ApiError, status=409, code="seat_taken"):
    """Some of the chosen tickets are no longer available. `ticketIds` lists them."""

    def __init__(self, names: Mapping[int, str]) -> None:
        """`names` maps the ids of the taken tickets to their printed names."""
        super().__init__(f"Already taken: {', '.join(names.values())}. Nothing was booked.", {"ticketIds": list(names)})


class PriceChanged(ApiError, status=409, code="price_changed"):
    """The order costs another total than `expectedTotal`. `total` is the present one in the currency's major unit."""

    def __init__(self, total_minor: int, currency: str) -> None:
        super().__init__(
            f"The price has changed: the total is now {format_amount(total_minor, currency)}. Nothing was booked.",
            {"total": to_major(total_minor, currency)},
        )


class AmountTooSmall(ApiError, status=409, code="amount_too_small"):
    """The order costs less than the payment provider can charge in its currency. A larger order is possible."""

    def __init__(self, total_minor: int, minimum_minor: int, currency: str) -> None:
        super().__init__(
            f"The total of {format_amount(total_minor, currency)} is too small for a payment. "
            f"The smallest possible one is {format_amount(minimum_minor, currency)}. Nothing was booked."
        )


class BuyerLimit(ApiError, status=409, code="buyer_limit"):
    """The buyer would have more tickets of the event or of a tier than one buyer may have.

    `remaining` is the number of tickets that the buyer may still book, after the last commit.
    """

    def __init__(self, tier: str | None, limit: int, remaining: int) -> None:
        """`tier` is the tier of the limit, or None if the limit counts all tickets of the event."""
        tickets = f"{_tickets(limit)} of {tier}" if tier else _tickets(limit)
        super().__init__(
            f"One buyer can have at most {tickets}. "
            + (f"You can book {remaining} more. Nothing was booked." if remaining else "You cannot book any more."),
            {"remaining": remaining},
        )


class NotOnSale(ApiError, status=409, code="not_on_sale"):
    """The sale has not begun, has ended, or the event is cancelled."""

    def __init__(self, window: tuple[datetime, datetime] | None) -> None:
        """`window` is the start and end of the sale in UTC, or None if the event is cancelled."""
        super().__init__(
            f"The sale begins at {window[0]:%Y-%m-%d %H:%M} UTC and ends at {window[1]:%Y-%m-%d %H:%M} UTC."
            if window
            else "The concert is cancelled, so its tickets are no longer on sale."
        )


class NotCancellable(ApiError, status=409, code="not_cancellable"):
    """The state of the booking or of its event rules out a cancellation."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This booking cannot be cancelled: {reason}.")


class SecretUnchanged(ApiError, status=409, code="secret_unchanged"):
    """The proposed secret of a booking is its present one, so that its links would stay valid."""

    def __init__(self) -> None:
        super().__init__("The proposed secret is the booking's present one. Propose another one. Nothing was revoked.")


class RequestTimeout(ApiError, status=408, code="request_timeout"):
    """The request's body did not arrive within `BODY_TIMEOUT_MS`."""

    def __init__(self) -> None:
        super().__init__("The request's body did not arrive in time.")

    def headers(self) -> dict[str, str]:
        """Return the header that ends the connection, because the rest of the body may still arrive."""
        return {"Connection": "close"}


class BodyTooLarge(ApiError, status=413, code="body_too_large"):
    """The request's body exceeds `BODY_BYTES_MAX`."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"The request's body is larger than {bytes_max} bytes.")


class UnsupportedMediaType(ApiError, status=415, code="unsupported_media_type"):
    """The request's body is not declared as `application/json`, or it is compressed."""

    def __init__(self, media_type: str, coding: str = "") -> None:
        """Refuse the type `media_type`, or a body with the content coding `coding`, such as gzip."""
        if coding:
            super().__init__(f"The body must have no content coding. The header Content-Encoding is {coding[:100]!r}.")
            return
        sent = f"is {media_type[:100]!r}" if media_type else "is missing"
        super().__init__(f"The header Content-Type must be application/json. It {sent}.")


class KeyReused(ApiError, status=422, code="key_reused"):
    """The request contradicts its key: another body used the key, or the header and the body name different keys."""

    def __init__(self, reference: str, in_body: str | None = None) -> None:
        """Refuse the key `reference`; `in_body` is the different key of the request's body, if there is one."""
        super().__init__(
            f"Another request with a different body used the key {reference}. Use a new key."
            if in_body is None
            else f"The header Idempotency-Key and bookingReference name different keys: {reference} and {in_body}."
        )


class RateLimited(ApiError, status=429, code="rate_limited"):
    """A rate limit is exhausted. The headers are those of draft-ietf-httpapi-ratelimit-headers."""

    _UNITS: ClassVar = {
        "address": "requests from one network address",
        "endpoint": "requests to this endpoint",
        "bookings": "bookings by one buyer",
        "held": "unpaid tickets from one network address",
        "messages": "requested e-mails about one booking or to one address",
        "message_requests": "requests for e-mails from one network address",
        "sign_ins": "attempts to sign in with one e-mail address",
        "sign_ins_from_address": "attempts to sign in from one network address",
        "refreshes": "refreshes of one session",
        "passkey_challenges": "challenges of passkeys from one network address",
    }

    def __init__(
        self,
        limit: Literal[
            "address",
            "endpoint",
            "bookings",
            "held",
            "messages",
            "message_requests",
            "sign_ins",
            "sign_ins_from_address",
            "refreshes",
            "passkey_challenges",
        ],
        *,
        quota: int,
        window_s: int,
        retry_after_s: int,
    ) -> None:
        """`quota` units per `window_s` seconds are allowed. The next is possible after `retry_after_s` seconds."""
        super().__init__(
            f"At most {quota} {self._UNITS[limit]} are possible in {window_s} s. Try again in {retry_after_s} s.",
            retry_after_s=retry_after_s,
        )
        self._policy = f'"{limit}";q={quota};w={window_s}'
        self._state = f'"{limit}";r=0;t={retry_after_s}'

    def headers(self) -> dict[str, str]:
        """Return `Retry-After` and the headers of the limit."""
        return {**super().headers(), "RateLimit-Policy": self._policy, "RateLimit": self._state}


class InternalError(ApiError, status=500, code="internal_error"):
    """The API failed. Its log has the reason."""

    def __init__(self, *, booked_nothing: bool = False) -> None:
        super().__init__(f"Something went wrong on our side.{' This request has booked nothing.' * booked_nothing}")


class Busy(ApiError, status=503, code="busy"):
    """The API is overloaded or cannot reach the database or the provider. Nothing changed, unless `unknown` is true."""

    _CAUSES: ClassVar = {
        "database": ("The box office does not respond at the moment.", 1),
        "overload": ("Very many people are booking at the moment.", 1),
        "payments": ("Payments are not possible at the moment.", 5),
        "sign_ins": ("Very many people are signing in at the moment.", 2),
    }
    """For each cause: the first sentence, and the seconds until a retry makes sense."""

    def __init__(
        self,
        cause: Literal["database", "overload", "payments", "sign_ins"] = "database",
        *,
        reference: str | None = None,
        unknown: bool = False,
    ) -> None:
        """`unknown` means that a commit may have succeeded. `reference` is the booking's idempotency key."""
        sentence, retry_after_s = self._CAUSES[cause]
        message = (
            "The outcome of this request is not known yet. Send the same request with the same reference again: "
            "it cannot take effect twice."
            if unknown
            else f"{sentence} This request has booked nothing and changed nothing. Try again in a moment."
        )
        details = {} if reference is None else {"reference": reference}
        super().__init__(message, details | ({"unknown": True} if unknown else {}), retry_after_s=retry_after_s)


def _tickets(number: int) -> str:
    return "1 ticket" if number == 1 else f"{number} tickets"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


_RULES = {
    TEXT_PATTERN: TEXT_RULE,
    REFERENCE_PATTERN: "may have letters, digits and . _ : ~ + = @ - only, and must not be . or ..",
    CURRENCY_PATTERN: "must be three capital letters, such as USD",
    EMAIL_PATTERN: "must be an e-mail address, such as ann@example.org",
    BYTES_PATTERN: "must be base64url without padding",
    SLUG_PATTERN: "may have lower-case letters, digits and single hyphens between them only",
}
"""The rules for texts in words, by pattern."""
_AT = re.compile(r"^(?P<message>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_SENTENCES = tuple(
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"Object missing required field `(?P<field>.*)`", "is required"),
        (r"Object contains unknown field `(?P<field>.*)`", "is not a field of this request"),
        (r"Expected `int(?: \| null)?`, got `(?:float|decimal)`", "must be a whole number"),
        (r"(?:Integer value|Number) out of range", "is out of range"),
        (r"Expected `(?P<wanted>\w+)(?: \| null)?`, got `(?P<got>\w+)`", "must be {wanted}, not {got}"),
        (r"Expected `\w+(?: \| null)?` >= (?P<least>\S+)", "must be at least {least}"),
        (r"Expected `\w+(?: \| null)?` <= (?P<most>\S+)", "must be at most {most}"),
        (r"Expected `\w+(?: \| null)?` of length >= 1", "must not be empty"),
        (r"Invalid enum value .*", "must be one of the values in the API's reference"),
        (r"Expected `\w+(?: \| null)?` of length <= (?P<most>\d+)", "must have at most {most} characters"),
        *((rf"Expected .* matching regex {re.escape(repr(pattern))}", rule) for pattern, rule in _RULES.items()),
    )
)
_NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}


def invalid(reason: str, field: str = "") -> InvalidRequest:
    """Convert a message of msgspec into a refusal that names the field.

    `field` is the location of the validated value within the request.
    """
    match = _AT.match(reason)
    message, path = (match["message"], match["path"] or "") if match else (reason, "")
    name = ""
    for pattern, sentence in _SENTENCES:
        if found := pattern.fullmatch(message):
            words = found.groupdict()
            name = words.pop("field", "")
            message = sentence.format(**{key: _NOUNS.get(word, word) for key, word in words.items()})
            break
    location = ".".join(filter(None, (field, path, name))).replace(".[", "[")
    return InvalidRequest(message, field=location or "body")
