"""Settings of payments, of the payment provider and of its simulator."""

import re
from typing import Annotated, Literal

import msgspec

from api.money import parse_amounts
from api.settings.staff_pages import StaffPageSettings

WEBHOOK_PATH = "/api/payments/webhook"
"""Path at which the API receives webhooks."""
_STRIPE_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{24,200}")
STRIPE_MINIMUMS = (
    "AED=2,AUD=0.50,BRL=0.50,CAD=0.50,CHF=0.50,CZK=15,DKK=2.50,EUR=0.50,GBP=0.30,HKD=4,HUF=175,INR=0.50,JPY=50,MXN=10,"
    "MYR=2,NOK=3,NZD=0.50,PLN=2,RON=2,SEK=3,SGD=0.50,THB=10,USD=0.50"
)
"""The smallest totals of Stripe for accounts that settle in the currency of the charge.

https://docs.stripe.com/currencies lists them.
"""
STRIPE_TIMEOUT_MS = 5000
"""The default of `provider_timeout_ms` with Stripe, which lies outside this network."""
PROVIDER_PAUSE_MAX_MS = 1100
"""The longest pause between two attempts of a request to the payment provider."""


class PaymentSettings(StaffPageSettings, frozen=True, kw_only=True):
    """The settings of payments. The groups form a chain, because a struct can extend only one other struct."""

    payment_mode: Literal["inline", "async"] = "inline"
    """`inline` decides a payment within the booking request; `async` holds the tickets until a webhook decides it."""
    payment_success_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.9
    """Share of payments that the simulator captures, from 0 (none) to 1 (all)."""
    payment_minimums: str = ""
    """The smallest totals that the provider charges, by currency in its major unit, such as `USD=0.50,JPY=50`.

    Smaller totals are refused, except for 0, which needs no charge. Empty for `STRIPE_MINIMUMS` with Stripe, and for no
    minimum with another provider.
    """
    payment_webhook_secret: str = ""
    """Key for webhook signatures: `whsec_` and at least 24 bytes in base64; empty to generate one in `data_dir`."""
    hold_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 300
    """Time that a pending order holds its tickets, from 1 s to a day."""
    payment_check_after_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = 5000
    """Time after the last update of an open payment at which the worker queries the provider, 100 ms to 10 min."""
    refund_give_up_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24
    """Age from which a refund has failed if the provider has no charge for it, from 1 to 720 hours."""
    refund_requested_max_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 6
    """Age from which a refund that the provider has not accepted is a problem of the system, from 1 to 720 hours."""
    provider_url: str = ""
    """URL of the payment provider; empty for the simulator on `psp_port` of this machine."""
    provider_timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=60_000)] = 1000
    """Timeout of one request to the provider, from 50 ms to a minute; with Stripe `STRIPE_TIMEOUT_MS` by default."""
    provider_attempts_max: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    """Attempts of a request to the provider, from 1 to 10, with exponential backoff and jitter between them."""
    refunds_per_second: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    """Refunds that all workers together send to the provider per second, from 1 to 1000."""
    refund_batch: Annotated[int, msgspec.Meta(ge=1, le=200)] = 200
    """Orders of a cancelled event that the worker ends in one transaction, from 1 to 200."""
    provider_breaker_failures: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    """Consecutive failures, from 1 to 1000, that open the circuit breaker; bookings then fail with 503 `busy`."""
    provider_breaker_reset_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = 5000
    """Time until an open circuit breaker lets the next request through, from 100 ms to 10 min."""
    psp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 3002
    """TCP port of the payment simulator on 127.0.0.1, from 1 to 65535."""
    psp_webhook_url: str = ""
    """URL to which the simulator sends webhooks; empty for the API on `api_port` of this machine."""
    psp_delay_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 500
    """Time that the simulator takes to decide a payment, up to an hour."""
    psp_duplicate_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Share of webhooks that the simulator sends twice, from 0 to 1."""
    psp_reorder_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Share of webhooks that the simulator delays behind later ones, from 0 to 1."""
    psp_loss_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Share of webhooks that the simulator never sends, from 0 to 1."""
    psp_limit_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Share of requests to Stripe's API that the simulator refuses with 429, from 0 to 1."""
    psp_short_funds_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Share of refunds under Stripe's API that stay pending for `psp_delay_ms` for lack of funds, from 0 to 1."""
    psp_refund_failure_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """Share of refunds under Stripe's API that fail after `psp_delay_ms`, from 0 to 1."""
    payment_provider: Literal["simulator", "stripe"] = "simulator"
    """`simulator` takes payments through the provider at `provider_url`, `stripe` through Stripe in async mode."""
    stripe_api_key: str = ""
    """Secret or restricted key of the Stripe account: `sk_` or `rk_` and letters, digits and underscores."""
    stripe_api_url: str = ""
    """URL of a simulated Stripe on this machine; empty for Stripe itself."""
    stripe_webhook_secrets: str = ""
    """Comma-separated keys that sign Stripe's webhooks, each `whsec_` and at least 24 characters.

    The API accepts a signature of any of them, and the simulator signs with the first.
    """

    @property
    def provider_request_max_s(self) -> float:
        """Return the upper bound on the time in flight of a worker's charge request, in seconds."""
        # The worker queries the charge before it sends the request, and its clock may differ from the database's.
        return 1 + 2 * self.provider_attempts_max * (self.provider_timeout_ms + PROVIDER_PAUSE_MAX_MS) / 1000

    @property
    def payment_minimums_minor(self) -> dict[str, int]:
        """Return the smallest totals that the provider charges, by currency, in minor units."""
        return parse_amounts(self.payment_minimums) if self.payment_minimums else {}

    @property
    def stripe_secrets(self) -> tuple[str, ...]:
        """Return the keys that sign Stripe's webhooks.

        Raises:
            ValueError: a key has another form.
        """
        secrets = tuple(filter(None, map(str.strip, self.stripe_webhook_secrets.split(","))))
        if not all(map(_STRIPE_SECRET.fullmatch, secrets)):
            raise ValueError("keys of whsec_ and at least 24 letters, digits, +, /, =, - or _, separated by commas")
        return secrets

    @property
    def provider_base_url(self) -> str:
        """Return the URL of the payment provider, without a slash at the end."""
        return (self.provider_url or f"http://127.0.0.1:{self.psp_port}").rstrip("/")

    @property
    def webhook_url(self) -> str:
        """Return the URL to which the payment simulator sends webhooks."""
        return self.psp_webhook_url or f"{self.local_url(self.api_port)}{WEBHOOK_PATH}"
