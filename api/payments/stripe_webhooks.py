"""Webhooks of Stripe: a valid signature of any configured secret, and the object that changed.

The content is only a hint. The settlement fetches the present object, so the order of webhooks does not matter.
"""

from collections.abc import Mapping, Sequence
from time import time
from typing import Annotated, Any, Final

import msgspec
import stripe

from api.payments.signatures import ID_MAX, InvalidSignature, InvalidWebhook, Webhook
from api.schemas import Reference, Text, explain_malformed

TOLERANCE_S: Final = 300
"""The largest difference between a webhook's time and this clock, in both directions, in seconds."""


class _Object(msgspec.Struct, frozen=True):
    """The changed object: a Checkout Session, a payment, a charge, a refund or a dispute."""

    id: str = ""
    object: str = ""
    client_reference_id: str | None = None
    metadata: dict[str, Any] | None = None


class _Data(msgspec.Struct, frozen=True):
    object: _Object


class _Event(msgspec.Struct, frozen=True):
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_MAX)]
    type: Text
    data: _Data


def verify(secrets: Sequence[str], body: bytes, headers: Mapping[str, str]) -> Webhook:
    """Return a webhook that was signed with one of the secrets within the last five minutes.

    Raises:
        InvalidSignature: the signature is missing, wrong or expired, or its time is in the future.
        InvalidWebhook: the signature is valid, but the body is not.
    """
    header = {name.lower(): value for name, value in headers.items()}.get("stripe-signature", "")
    if not any(_is_signed(secret, body, header) for secret in secrets):
        raise InvalidSignature
    try:
        event = msgspec.json.decode(body, type=_Event)
    except msgspec.ValidationError as error:
        raise InvalidWebhook(str(error)) from None
    except msgspec.DecodeError as error:
        raise InvalidWebhook(explain_malformed(body, error)) from None
    except RecursionError:  # The decoder also reads the fields that it ignores.
        raise InvalidWebhook("is nested too deeply") from None
    about = event.data.object
    reference = about.client_reference_id or (about.metadata or {}).get("reference")
    dispute_id = about.id if about.object == "dispute" else ""
    return Webhook(id=event.id, type=event.type, changed=_own_reference(reference), dispute_id=dispute_id[:ID_MAX])


def _own_reference(reference: Any) -> str:
    """Return the reference of an order, or nothing for an object of another program."""
    try:
        return msgspec.convert(reference, Reference)
    except msgspec.ValidationError:
        return ""


def _is_signed(secret: str, body: bytes, header: str) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_S)
        signed_at = int(dict(part.split("=", 1) for part in header.split(",") if "=" in part)["t"])
    # TypeError: the signature is not ASCII. ValueError: the body or the time is not text.
    except (stripe.SignatureVerificationError, KeyError, TypeError, ValueError):
        return False
    return signed_at <= time() + TOLERANCE_S  # The SDK accepts every time in the future.
