"""Settings: a frozen struct that each process reads from the environment once, at its start."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from api.addresses import is_local_host, is_local_url
from api.errors import ConfigError
from api.setting_values import SECRETS, read_value
from api.settings.accounts import AccountSettings
from api.settings.payments import STRIPE_MINIMUMS, STRIPE_TIMEOUT_MS
from api.settings.secrets import (
    ACCESS_SECRET,
    SECRET_BYTES_MIN,
    SESSION_SECRETS,
    TICKET_SECRET,
    WEBHOOK_SECRET,
    Secret,
)

_STRIPE_KEY = re.compile(r"(sk|rk)_[A-Za-z0-9_]{1,250}")
_ROUND_TRIP_MARGIN_MS = 1000
"""Time beyond `STATEMENT_TIMEOUT_MS` for a commit and the network."""

_ADDRESS_RPS_MIN, _ADDRESS_SHARE_PERCENT = 500, 80
"""The default of `ADDRESS_RPS`: its minimum, and its share of `ENDPOINT_RPS`."""
_HELD_TICKETS_DEFAULT = 300
"""The default of `HELD_TICKETS_PER_ADDRESS` while the bookings of a buyer are limited."""


class Settings(AccountSettings, frozen=True, kw_only=True):
    """All settings, with units in their names and safe defaults.

    The environment variable of a field is its name in capitals: `HOLD_SECONDS` sets `hold_seconds`. Only
    `Settings.from_env` reads the environment.
    """

    database_url: str | None = None
    """libpq URL or `name=value` pairs of PostgreSQL 15 or newer; None for the embedded server in `data_dir`.

    With several hosts libpq connects to the primary, unless the value has its own `target_session_attrs`.
    """
    database_direct_url: str | None = None
    """The same database past a connection pooler, for migrations and the seed; None for `database_url`."""
    data_dir: Path = Path(".data")
    """Directory for the embedded server's data and for generated secrets."""
    api_workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = os.cpu_count() or 1
    """Number of API processes, from 1 to 256; the default is one for each core."""
    booking_isolation: Literal["serializable", "read_committed"] = "serializable"
    """Isolation level of booking transactions."""
    booking_path: Literal["direct", "careful"] = "direct"
    """`direct` sells with the function `book_batch` where possible; `careful` never calls it."""
    ticket_secret: str = ""
    """Key for ticket codes: `tksec_` and at least 24 bytes in base64; empty to generate one in `data_dir`."""
    access_secret: str = ""
    """Key for order secrets: `acsec_` and at least 24 bytes in base64; empty to generate one in `data_dir`."""
    guest_orders: Literal["open", "secret"] | None = None
    """`open` lets everybody access the orders that were made without a secret; `secret` gives every order one.

    None for `open` if the API and the web app serve this machine only, otherwise for `secret`.
    """
    bookings_per_minute: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 10
    """Bookings of one buyer within any minute, over all processes, up to 1000; 0 for no limit."""
    endpoint_rps: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1000
    """Requests per second to one endpoint of one process, up to a million; 0 for no limit, of addresses neither."""
    address_rps: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    """Requests per second of one client address to one process, up to a million; 0 for no limit.

    None for 80 % of `endpoint_rps`, at least 500. An address of IPv6 counts with its /64 network. Every buyer behind
    one address translator has the same address.
    """
    held_tickets_per_address: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    """Tickets that one client address may hold without paying, up to a million; 0 for no limit.

    None for 300, or for no limit if `bookings_per_minute` is 0. Only async mode has holds. An address of IPv6 counts
    with its /64 network.
    """
    max_tickets_per_booking: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    """The most tickets of one booking request, from 1 to 1000."""
    seat_map_seats_max: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 5000
    """The most seats of an event with a seat map, up to 100,000; 0 for no seat maps."""
    statement_timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=600_000)] = 2000
    """Timeout of one SQL statement, from 50 ms to 10 min."""
    booking_attempts_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 12
    """Attempts of a booking transaction that conflicts with others, from 1 to 100, before 503 `busy`."""
    booking_batch_max: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    """The most booking requests of one transaction, from 1 to 1000."""
    booking_queue_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 2000
    """The most booking requests that wait in one process, from 1 to 100,000; the next one gets 503 `busy`."""
    booking_wait_ms: Annotated[int, msgspec.Meta(ge=50, le=60_000)] = 1000
    """Time that a booking request may wait and retry before 503 `busy`, from 50 ms to a minute."""
    declined_kept_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """Days until a declined booking, with its idempotency key, is deleted, from 1 to 3650."""
    webhooks_kept_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    """Days until a processed webhook is deleted, from 1 to 3650."""
    admission_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 12
    """Hours after the end of an event, or its start without an announced end, for which its tickets are valid at the
    entrance, from 1 to 720.
    """
    worker_silence_max_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 15
    """Age of a worker's last heartbeat, from 5 s to an hour, at which `make run` restarts the worker."""
    job_lag_max_s: Annotated[int, msgspec.Meta(ge=5, le=86_400)] = 300
    """Time, from 5 s to a day, by which a job of the worker may be late before `/health/system` reports a problem."""
    server_silence_max_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30
    """Time without a successful response, from 5 s to an hour, after which `make run` restarts a server."""
    connections_max: Annotated[int, msgspec.Meta(ge=10, le=1_000_000)] = 20_000
    """Open connections of one API process or of the web server, from 10 to a million; further ones wait.

    While connections to the API wait, it closes those that have been silent for the longest time.
    """
    header_timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = 30_000
    """Time in which a connection must send the next request's headers, from 100 ms to 10 min, before it is closed."""
    body_timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = 10_000
    """Time in which a request's body must arrive, from 100 ms to 10 min, before 408 `request_timeout`."""
    write_timeout_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = 30_000
    """Time in which a client must accept a part of a response, from 100 ms to 10 min, before its connection ends."""
    shutdown_delay_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 2000
    """Time from a stop signal until the API closes its port, up to a minute; load balancers notice the shutdown."""
    db_pool_max: Annotated[int, msgspec.Meta(ge=2, le=1000)] = 8
    """Database connections of one API process, from 2 to 1000."""
    db_round_trip_max_ms: Annotated[int, msgspec.Meta(ge=0, le=660_000)] = 0
    """Limit of one round trip to the database, up to 11 min; 0 for `statement_timeout_ms` and a second.

    A server that reaches it is frozen or cut off, because its own timeout is shorter. The connection is then closed.
    """
    db_commits_waiting_max: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 20
    """Commits that may wait for a synchronous standby, from 1 to 10,000, before writes fail with 503 `busy`.

    The limit applies to all processes together. It keeps commits whose client has given up from using up the server's
    `max_connections`.
    """
    db_connect_timeout_s: Annotated[int, msgspec.Meta(ge=1, le=60)] = 2
    """Timeout of a connection attempt to the database, from 1 s to a minute."""
    body_bytes_max: Annotated[int, msgspec.Meta(ge=256, le=10_000_000)] = 16_384
    """Size of the largest request body in bytes, from 256 to 10 million."""

    def __repr__(self) -> str:
        """Return the settings without their secrets."""
        return f"Settings({', '.join(self._masked())})"

    def _masked(self) -> Iterator[str]:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            yield f"{name}='***'" if value and name in SECRETS else f"{name}={value!r}"

    @property
    def round_trip_max_s(self) -> float:
        """Return the limit of one round trip to the database, in seconds."""
        return (self.db_round_trip_max_ms or self.statement_timeout_ms + _ROUND_TRIP_MARGIN_MS) / 1000

    @property
    def response_max_s(self) -> float:
        """Return the usual longest time of a response, in seconds: a booking's wait, then its transaction."""
        return self.booking_wait_ms / 1000 + self.round_trip_max_s

    @property
    def has_open_orders(self) -> bool:
        """Return whether everybody may access the orders that were made without a secret."""
        if self.guest_orders is not None:
            return self.guest_orders == "open"
        urls = (self.api_url, self.web_url, *self.allowed_origins)
        return is_local_host(self.api_host) and all(map(is_local_url, urls))

    @property
    def limited_address_rps(self) -> int:
        """Return the limit of an address in requests per second; 0 if these have no limit at all."""
        if not self.endpoint_rps:
            return 0
        if self.address_rps is not None:
            return self.address_rps
        return max(_ADDRESS_RPS_MIN, self.endpoint_rps * _ADDRESS_SHARE_PERCENT // 100)

    @property
    def held_tickets_max(self) -> int:
        """Return the limit of an address in held tickets; 0 if there is none, or if there are no holds."""
        if self.payment_mode != "async":
            return 0
        if self.held_tickets_per_address is not None:
            return self.held_tickets_per_address
        return _HELD_TICKETS_DEFAULT if self.bookings_per_minute else 0

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings from `environ`; an absent or empty variable keeps its default.

        Raises:
            ConfigError: a value has the wrong type or is out of range; the message names the variable, the value and
                the allowed values.
        """
        values: dict[str, Any] = {}
        for field in msgspec.structs.fields(cls):
            if text := environ.get(field.name.upper(), "").strip():
                values[field.name] = read_value(field.name, text, field.type)
        if "database_direct_url" in values and "database_url" not in values:
            raise ConfigError("DATABASE_DIRECT_URL is not allowed without DATABASE_URL, whose server it must name.")
        if values.get("payment_provider") == "stripe":
            values.setdefault("payment_mode", "async")
            values.setdefault("payment_minimums", STRIPE_MINIMUMS)
            values.setdefault("provider_timeout_ms", STRIPE_TIMEOUT_MS)
        settings = cls(**values)
        _check_proxies(settings)
        _check_payment_minimums(settings)
        _check_stripe(settings)
        _check_round_trip(settings)
        _check_relying_party(settings)
        for secret in (WEBHOOK_SECRET, TICKET_SECRET, ACCESS_SECRET, SESSION_SECRETS):
            _check_secret(settings, secret)
        return settings


def _check_proxies(settings: Settings) -> None:
    try:
        _ = settings.trusted_networks
    except ValueError:
        raise ConfigError(
            f"TRUSTED_PROXIES={settings.trusted_proxies!r} is not allowed: it must be addresses or networks, separated "
            "by commas, such as 10.0.0.0/8,fd00::/8."
        ) from None


def _check_payment_minimums(settings: Settings) -> None:
    try:
        _ = settings.payment_minimums_minor
    except ValueError as error:
        raise ConfigError(
            f"PAYMENT_MINIMUMS={settings.payment_minimums!r} is not allowed: it must be {error}."
        ) from None


def _check_stripe(settings: Settings) -> None:
    try:
        _ = settings.stripe_secrets
    except ValueError as error:  # The message omits the value, which is secret.
        raise ConfigError(f"STRIPE_WEBHOOK_SECRETS is not allowed: it must be {error}.") from None
    if settings.stripe_api_key and not _STRIPE_KEY.fullmatch(settings.stripe_api_key):
        raise ConfigError("STRIPE_API_KEY is not allowed: it must be sk_ or rk_ and letters, digits and underscores.")
    if settings.stripe_api_url and not is_local_url(settings.stripe_api_url):
        raise ConfigError(f"STRIPE_API_URL={settings.stripe_api_url!r} is not allowed: it must be on this machine.")
    if settings.payment_provider == "stripe" and settings.payment_mode == "inline":
        raise ConfigError("PAYMENT_MODE='inline' is not allowed: it must be async with PAYMENT_PROVIDER=stripe.")


def _check_round_trip(settings: Settings) -> None:
    limit_ms = settings.db_round_trip_max_ms
    if 0 < limit_ms < settings.statement_timeout_ms:
        raise ConfigError(
            f"DB_ROUND_TRIP_MAX_MS='{limit_ms}' is not allowed: it must be 0 or at least STATEMENT_TIMEOUT_MS, "
            f"which is {settings.statement_timeout_ms}."
        )


def _check_relying_party(settings: Settings) -> None:
    if not settings.has_valid_relying_party:
        raise ConfigError(
            f"PASSKEY_RP_ID={settings.passkey_rp_id!r} is not allowed: it must be the host of PUBLIC_WEB_URL or a "
            "parent domain of it."
        )


def _check_secret(settings: Settings, secret: Secret) -> None:
    given = getattr(settings, secret.field)
    if given and not secret.fits(given):
        # The message omits the value, which is secret.
        several = ", or several different ones of these, separated by commas" if secret.is_list else ""
        raise ConfigError(
            f"{secret.field.upper()} is not allowed: it must be {secret.prefix} followed by at least "
            f"{SECRET_BYTES_MIN} bytes in base64{several}."
        )


def require_provider(settings: Settings) -> None:
    """Require the settings that the payment provider needs. Only processes that use the provider have them.

    Raises:
        ConfigError: a setting is missing.
    """
    if settings.payment_provider != "stripe":
        return
    for name in ("STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRETS"):
        if not getattr(settings, name.lower()):
            raise ConfigError(f"{name} is required with PAYMENT_PROVIDER=stripe.")
