"""Webhooks of the payment provider as they travel: signed by the provider, verified by the API.

https://github.com/standard-webhooks/standard-webhooks: the signature covers the id, the time and the body; one that
is more than five minutes old or ahead is refused.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import msgspec
import standardwebhooks

from api.body import invalid
from api.contract import Reference
from api.errors import InvalidRequest, Unauthorized

ID_MAX = 256
"""The longest id of a webhook."""


class ChargeData(msgspec.Struct, frozen=True):
    """The charge that a webhook tells of; `amount` in the currency's minor units."""

    reference: Reference
    amount: int
    currency: str


class WebhookBody(msgspec.Struct, frozen=True):
    """The body of a webhook; `type` is such as `charge.captured`."""

    type: str
    timestamp: datetime
    data: ChargeData


class Webhook(msgspec.Struct, frozen=True):
    """A verified webhook; `id` is the same each time that it is sent."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_MAX)]
    body: WebhookBody


def sign(secret: str, webhook_id: str, body: bytes) -> dict[str, str]:
    """Return the headers of a webhook that is sent now."""
    now = datetime.now(UTC)
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(secret).sign(webhook_id, now, body.decode()),
        "content-type": "application/json",
    }


def verify(secret: str, body: bytes, headers: Mapping[str, str]) -> Webhook:
    """Return a webhook whose signature is good.

    Raises:
        Unauthorized: it is not, or is missing, or too old.
        InvalidRequest: it was signed, but is nothing that is understood here.
    """
    webhook_id = headers.get("webhook-id", "")
    try:
        standardwebhooks.Webhook(secret).verify(body, dict(headers), json_parse=False)
    except (standardwebhooks.WebhookVerificationError, ValueError):  # also what is no base64, or no text
        raise Unauthorized("The webhook's signature is missing, wrong or too old.") from None
    try:
        return msgspec.convert(Webhook(webhook_id, msgspec.json.decode(body, type=WebhookBody)), Webhook)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"not valid JSON: {error}") from None
