"""The payment provider's webhooks."""

from collections.abc import Mapping
from typing import Any

from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec

from api.database.session import write_with_timeout
from api.errors import BodyTooLarge, Forbidden, InvalidRequest, RequestTimeout, Unauthorized, invalid
from api.http.openapi import refusals
from api.http.state import ApiState
from api.payments.signatures import InvalidSignature, InvalidWebhook, Webhook, WebhookReader
from api.schemas import WebhookReceipt
from api.settings.payments import WEBHOOK_PATH


@post(
    WEBHOOK_PATH,
    status_code=200,
    responses={
        200: ResponseSpec(WebhookReceipt, description="Stored", generate_examples=False),
        **refusals([InvalidRequest, Unauthorized, Forbidden, RequestTimeout, BodyTooLarge]),
    },
)
async def receive_webhook(request: Request[Any, Any, ApiState], state: ApiState) -> Response[WebhookReceipt]:
    """Store a signed webhook of the payment provider. The response follows the commit; a webhook may arrive again."""
    webhook = verified_webhook(state.read_webhook, await request.body(), request.headers)
    await write_with_timeout(state.inbox.store(webhook))
    return Response(WebhookReceipt(), status_code=200)


def verified_webhook(read: WebhookReader, body: bytes, headers: Mapping[str, str]) -> Webhook:
    """Return a webhook whose signature and content are valid.

    Raises:
        Unauthorized: the signature is missing, wrong or expired.
        InvalidRequest: the signature is valid, but the id or the body is not.
    """
    try:
        return read(body, headers)
    except InvalidSignature:
        raise Unauthorized from None
    except InvalidWebhook as error:
        raise invalid(error.reason, error.field) from None
