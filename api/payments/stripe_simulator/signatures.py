"""The header `Stripe-Signature` of webhooks."""

import hashlib
import hmac
from datetime import datetime


def sign(secret: str, body: bytes, sent_at: datetime) -> dict[str, str]:
    """Return the header of a webhook; `sent_at` is the time of this delivery attempt, in UTC."""
    timestamp = int(sent_at.timestamp())
    signature = hmac.new(secret.encode(), b"%d.%b" % (timestamp, body), hashlib.sha256).hexdigest()
    return {"Stripe-Signature": f"t={timestamp},v1={signature}"}
