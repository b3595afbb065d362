"""The part of Stripe's API that the payment simulator speaks: objects, idempotency keys and forms, in memory."""
