"""Settings: one frozen struct, read from the environment once at the start of each process."""

import base64
import binascii
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec

from api.errors import ConfigError

WEBHOOK_PATH = "/api/payments/webhook"
"""Where the API takes webhooks."""
SECRET_BYTES_MIN = 24
"""As Standard Webhooks demands."""
PROVIDER_PAUSE_MAX_MS = 1100
"""The longest pause between two attempts to reach the payment provider."""

_DATABASE_SCHEMES = ("postgresql://", "postgres://")
_URL_VARIABLES = ("PUBLIC_API_URL", "PROVIDER_URL", "PSP_WEBHOOK_URL")


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret that is given by a setting, or made once and kept in a file of `data_dir`."""

    field: str
    """The setting's name."""
    prefix: str
    file_name: str
    signs: str
    """What it signs, in the plural."""

    def fits(self, text: str) -> bool:
        """Whether a text can be this secret: its prefix, and after it enough bytes in base64, padded or not."""
        try:
            return text.startswith(self.prefix) and len(self.key(text)) >= SECRET_BYTES_MIN
        except (binascii.Error, ValueError):
            return False

    def key(self, text: str) -> bytes:
        """Return the bytes of a text that fits."""
        encoded = text.removeprefix(self.prefix)
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


WEBHOOK_SECRET = Secret(field="payment_webhook_secret", prefix="whsec_", file_name="webhook-secret", signs="webhooks")
TICKET_SECRET = Secret(field="ticket_secret", prefix="tksec_", file_name="ticket-secret", signs="tickets")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set from outside, with its unit in its name and a safe default.

    The environment's name of a field is the field's name in capitals (`hold_seconds` is `HOLD_SECONDS`).
    `Settings.from_env` is the only reader of the environment.
    """

    database_url: str | None = None
    """A libpq URL of PostgreSQL 15 or newer; None: the embedded server in `data_dir`.

    Of several hosts the one that can write is meant, unless the URL says otherwise.
    """
    data_dir: Path = Path(".data")
    """Where the embedded server keeps its data, and the secrets are kept that are not given."""

    api_host: str = "127.0.0.1"
    api_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 3001
    web_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 3000
    public_api_url: str = ""
    """Where browsers find the API; empty: `http://localhost:$API_PORT`."""
    web_origins: str = ""
    """The web app's origins, separated by commas, that browsers may call the API from; empty: this machine's."""
    api_workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = os.cpu_count() or 1
    """Processes of the API."""

    booking_isolation: Literal["serializable", "read_committed"] = "serializable"
    payment_mode: Literal["inline", "async"] = "inline"
    """When buyers pay: within the booking request, or, while their tickets are held, with a provider."""
    payment_success_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.9
    """The share of payments that the simulator captures; 0 and 1 are exact."""
    payment_webhook_secret: str = ""
    """What signs webhooks (Standard Webhooks, `whsec_` and base64); empty: one is made and kept in `data_dir`."""
    ticket_secret: str = ""
    """What signs the codes on tickets (`tksec_` and base64); empty: one is made and kept in `data_dir`."""
    hold_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 300
    """How long tickets are held for a buyer who is paying."""
    payment_check_after_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = 5000
    """How long after the last news of an open payment the worker asks the provider about it."""
    provider_url: str = ""
    """Where the payment provider listens; empty: the simulator on `psp_port` of this machine."""
    provider_timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=60_000)] = 1000
    """The longest that one request to the provider may take."""
    provider_attempts_max: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    """How often a request to the provider is tried, with growing random pauses."""
    provider_breaker_failures: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 5
    """Failed requests in a row after which the provider counts as away, and bookings are answered 503 `busy`."""
    provider_breaker_reset_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = 5000
    """How long after that the next request tries whether it is back."""
    psp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 3002
    """Where the simulated payment provider listens, on this machine only."""
    psp_webhook_url: str = ""
    """Where it sends its webhooks; empty: to the API on `api_port` of this machine."""
    psp_delay_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 500
    """How long the simulated provider takes to decide a payment."""
    psp_duplicate_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """The share of its webhooks that it sends twice."""
    psp_reorder_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """The share of its webhooks that it sends late, behind those that follow them."""
    psp_loss_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    """The share of its webhooks that it never sends."""
    bookings_per_minute: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 10
    """Bookings of one buyer in any minute, over all processes; 0: no limit."""
    endpoint_rps: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1000
    """Requests a second to one endpoint of one process; 0: no limit."""
    max_tickets_per_booking: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    seat_map_seats_max: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 5000
    """The most seats of an event whose states are told one by one; 0: never."""
    statement_timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=600_000)] = 2000
    """The longest that one SQL statement may take."""

    booking_attempts_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 12
    """How often a booking transaction is run when it conflicts with others, before 503 `busy`."""
    booking_batch_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    """Booking requests that share one transaction."""
    booking_queue_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 2000
    """Booking requests that wait in one process; the next is answered 503 `busy`."""
    booking_wait_ms: Annotated[int, msgspec.Meta(ge=50, le=60_000)] = 1000
    """How long a booking request may wait and be tried again, before 503 `busy`."""
    declined_kept_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """How long a declined booking is remembered, for its repeats."""
    webhooks_kept_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """How long a webhook is remembered after it was worked off."""
    shutdown_delay_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 200
    """How long the API goes on serving after it was told to stop, for load balancers to see that it will."""
    db_pool_max: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 8
    """Database connections of one API process."""
    db_connect_timeout_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 2
    body_bytes_max: Annotated[int, msgspec.Meta(ge=256, le=10_000_000)] = 16_384
    """The largest request body."""

    @property
    def api_url(self) -> str:
        """Where browsers find the API, without a slash at the end."""
        return (self.public_api_url or f"http://localhost:{self.api_port}").rstrip("/")

    @property
    def provider_request_max_s(self) -> float:
        """The longest from a worker's look at a payment until its charge has come to the provider, or never will."""
        # It asks for the charge's state first, and its clock may differ a little from the database's.
        return 1 + 2 * self.provider_attempts_max * (self.provider_timeout_ms + PROVIDER_PAUSE_MAX_MS) / 1000

    @property
    def allowed_origins(self) -> list[str]:
        """The origins of `web_origins`, or those of a web app on this machine."""
        if self.web_origins:
            return [origin.strip().rstrip("/") for origin in self.web_origins.split(",") if origin.strip()]
        return [f"http://{host}:{self.web_port}" for host in ("localhost", "127.0.0.1", "[::1]")]

    @property
    def provider_base_url(self) -> str:
        """Where the payment provider listens, without a slash at the end."""
        return (self.provider_url or f"http://127.0.0.1:{self.psp_port}").rstrip("/")

    @property
    def webhook_url(self) -> str:
        """Where the simulated payment provider sends its webhooks."""
        return self.psp_webhook_url or f"{self.local_url(self.api_port)}{WEBHOOK_PATH}"

    def local_url(self, port: int) -> str:
        """Return where this machine itself reaches a port that API or web app listen on."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.api_host, self.api_host)  # noqa: S104
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings from `environ`; a variable that is absent or empty keeps its default.

        Raises:
            ConfigError: a value cannot be read or is out of range; names the variable, the value and
                what is allowed.
        """
        values: dict[str, Any] = {}
        for field in msgspec.structs.fields(cls):
            variable = field.name.upper()
            if text := environ.get(variable, "").strip():
                values[field.name] = _read(variable, text, field.type)
        if url := values.get("database_url"):
            values["database_url"] = _to_primary(url)
        settings = cls(**values)
        _check_urls(settings)
        for secret in (WEBHOOK_SECRET, TICKET_SECRET):
            _check_secret(settings, secret)
        return settings


def _read(variable: str, text: str, kind: Any) -> Any:
    decode: Callable[[str], Any] = Path if kind is Path else str
    try:
        return msgspec.convert(decode(text), type=kind, strict=False)
    except msgspec.ValidationError:
        raise ConfigError(f"{variable}={text!r} is not allowed: it must be {_allowed(kind)}.") from None


def _allowed(kind: Any) -> str:
    """Say in words which values a field's type admits."""
    meta = next((m for m in getattr(kind, "__metadata__", ()) if isinstance(m, msgspec.Meta)), None)
    base = get_args(kind)[0] if meta else kind
    if meta:
        noun = "a whole number" if base is int else "a number"
        return f"{noun} from {meta.ge} to {meta.le}"
    if choices := get_args(kind):
        return " or ".join(str(choice) for choice in choices)
    return "a text"


def _to_primary(url: str) -> str:
    """Return a database's URL that passes over hosts which only read; one of another kind is refused."""
    if not url.startswith(_DATABASE_SCHEMES):
        raise ConfigError(f"DATABASE_URL={_without_password(url)!r} is not allowed: it must start with postgresql://")
    if "target_session_attrs=" in url:
        return url
    return f"{url}{'&' if '?' in url else '?'}target_session_attrs=read-write"


def _without_password(url: str) -> str:
    """Return what was meant as a database's URL, or as libpq's `name=value` pairs, for others to see."""
    masked = re.sub(r"^((?:[^:/@]*://)?[^:@]*):(?!//).*@", r"\1:***@", url, flags=re.DOTALL)
    return re.sub(r"(password\s*=\s*)('.*'|[^\s&]+)", r"\1***", masked, flags=re.DOTALL)


def _check_urls(settings: Settings) -> None:
    for variable in _URL_VARIABLES:
        url = getattr(settings, variable.lower())
        if url and not _is_http(url):
            raise ConfigError(f"{variable}={url!r} is not allowed: it must be an http or https address.")


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        named = bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an address that is none
        return False
    return named and parts.scheme in ("http", "https") and not re.search(r"\s", url)


def _check_secret(settings: Settings, secret: Secret) -> None:
    given = getattr(settings, secret.field)
    if given and not secret.fits(given):
        # Unlike other refusals, this one does not show the value.
        raise ConfigError(
            f"{secret.field.upper()} is not allowed: it must be {secret.prefix} and after it, in base64, "
            f"at least {SECRET_BYTES_MIN} bytes."
        )
