"""Payments: the provider protocol, its implementations, and webhook signatures."""

import stamina

# stamina's own counters and log lines do not name the request; the error of the last attempt does.
stamina.instrumentation.set_on_retry_hooks([])
