"""What the payment provider tells."""

from typing import Any

from litestar import Request, Response, post
from litestar.openapi.datastructures import ResponseSpec

from api.config import WEBHOOK_PATH
from api.database.session import with_timeout
from api.http.problems import answers
from api.http.state import ApiState
from api.payments.signatures import verify
from api.schemas import WebhookReceipt


@post(
    WEBHOOK_PATH,
    status_code=200,
    responses={
        200: ResponseSpec(WebhookReceipt, description="Stored", generate_examples=False),
        **answers(400, 401, 413, 429, 500, 503),
    },
)
async def receive_webhook(request: Request[Any, Any, ApiState], state: ApiState) -> Response[WebhookReceipt]:
    """Take a signed webhook (Standard Webhooks); it is stored when this answers, and may come again."""
    webhook = verify(state.webhook_secret, await request.body(), request.headers)
    await with_timeout(state.inbox.store(webhook))
    return Response(WebhookReceipt(), status_code=200)
