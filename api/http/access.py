"""Access of a request to orders: the secrets in the header `Booking-Secret`, and the account of the caller."""

import re
from typing import Annotated, Final

from litestar.params import HeaderParameter

from api.errors import InvalidRequest
from api.http.state import ApiState
from api.services.access import Access
from api.services.accounts.tokens import Identity

HEADER: Final = "Booking-Secret"
SECRETS_MAX = 100
"""The most secrets that one request presents."""

_FORMAT = r"[A-Za-z0-9_-]{32,128}"  # at least 192 bits, if they are random
_LINK_FORMAT = r"(?:L1|L2\.[1-9][0-9]{0,8})\.[A-Za-z0-9._:~+=@-]{1,128}\.[A-Za-z0-9_-]{43}"
_VALID = re.compile(_FORMAT)
_PRESENTED = re.compile(f"{_FORMAT}|{_LINK_FORMAT}")
_RULE = "must have 32 to 128 letters, digits, hyphens or underscores"


def _parameter(description: str, pattern: str | None = None) -> HeaderParameter:
    """Return the parameter of a route. Its pattern is only documented: `valid_secret` validates the header."""
    extra = {} if pattern is None else {"pattern": rf"^{pattern}(?![\s\S])"}
    return HeaderParameter(name=HEADER, description=description, schema_extra=extra)


OwnSecret = Annotated[
    str | None,
    _parameter(
        "A random secret of the client for this order. Only its holder can then access the order. Without it the API "
        "makes one, unless guest orders are open.",
        _FORMAT,
    ),
]
"""The header of a booking request."""
OrderSecret = Annotated[
    str | None,
    _parameter(
        "The order's secret: `bookingSecret` of the response to its booking, or the secret of a link in an e-mail"
    ),
]
"""The header of a request for one order. Any other text than its secret gives no access, like no header."""
OrderSecrets = Annotated[
    str | None,
    _parameter(
        f"The secrets of up to {SECRETS_MAX} orders, separated by commas",
        rf"({_PRESENTED.pattern})(, *({_PRESENTED.pattern})){{0,{SECRETS_MAX - 1}}}",
    ),
]
"""The header of a request for a list of orders."""


def access_to_order(state: ApiState, secret: str | None, caller: Identity | None, *, is_open: bool) -> Access:
    """Return the access of a request for one order; `secret` is its header, or None, and `caller` its account.

    `is_open` is true if the request may access the orders that were made without a secret. The header is not validated,
    so that the response does not depend on the order's existence.
    """
    presented = () if secret is None else (secret,)
    account_id = caller.account_id if caller else None
    return Access.of(presented, key=state.access_secret, is_open=is_open, account_id=account_id)


def access_to_orders(state: ApiState, secrets: str | None, *, is_open: bool) -> Access:
    """Return the access of a request for a list of orders; `secrets` is its header, or None.

    `is_open` is true if the request may access the orders that were made without a secret.

    Raises:
        InvalidRequest: a part of the header is no secret, or there are too many.
    """
    parts = [] if secrets is None else [part.strip(" \t") for part in secrets.split(",")]
    if not all(map(_PRESENTED.fullmatch, parts)):
        raise InvalidRequest(_RULE, field=HEADER)
    if len(parts) > SECRETS_MAX:
        raise InvalidRequest(f"must have at most {SECRETS_MAX} secrets", field=HEADER)
    return Access.of(parts, key=state.access_secret, is_open=is_open)


def valid_secret(text: str) -> str:
    """Return a secret if it is valid.

    Raises:
        InvalidRequest: the text is no secret. The message does not contain it.
    """
    if not _VALID.fullmatch(text):
        raise InvalidRequest(_RULE, field=HEADER)
    return text
