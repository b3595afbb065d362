"""Settings: a frozen struct that each process reads from the environment once, at its start."""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec

from api.addresses import is_local_host, is_local_url, parse_origins, parse_url
from api.errors import ConfigError
from api.money import parse_amounts
from api.setting_values import SECRETS, read_value

WEBHOOK_PATH = "/api/payments/webhook"
"""Path at which the API receives webhooks."""
SECRET_BYTES_MIN = 24
"""The shortest key that Standard Webhooks allows, in bytes."""
PROVIDER_PAUSE_MAX_MS = 1100
"""The longest pause between two attempts of a request to the payment provider."""
_ROUND_TRIP_MARGIN_MS = 1000
"""Time beyond `STATEMENT_TIMEOUT_MS` for a commit and the network."""

_ADDRESS_RPS_MIN, _ADDRESS_SHARE_PERCENT = 500, 80
"""The default of `ADDRESS_RPS`: its minimum, and its share of `ENDPOINT_RPS`."""
_HELD_TICKETS_DEFAULT = 300
"""The default of `HELD_TICKETS_PER_ADDRESS` while the bookings of a buyer are limited."""
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
"""The names of this machine in URLs."""


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A signing secret, which comes from a setting or from a generated file in `data_dir`."""

    field: str
    """Name of the setting."""
    prefix: str
    file_name: str
    signs: str
    """The signed objects, in the plural, for messages."""

    def fits(self, text: str) -> bool:
        """Return True if a text has the prefix, followed by a long enough key in base64, with or without padding."""
        try:
            return text.startswith(self.prefix) and len(self.key(text)) >= SECRET_BYTES_MIN
        except (binascii.Error, ValueError):
            return False

    def key(self, text: str) -> bytes:
        """Return the key in a text.

        Raises:
            ValueError: the text is not base64.
        """
        encoded = text.removeprefix(self.prefix)
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


WEBHOOK_SECRET = Secret(field="payment_webhook_secret", prefix="whsec_", file_name="webhook-secret", signs="webhooks")
TICKET_SECRET = Secret(field="ticket_secret", prefix="tksec_", file_name="ticket-secret", signs="tickets")
ACCESS_SECRET = Secret(field="access_secret", prefix="acsec_", file_name="access-secret", signs="access to orders")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
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

    api_host: str = "127.0.0.1"
    """IP address or host name on which the API and the web app listen."""
    api_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 3001
    """TCP port of the API, from 1 to 65535."""
    web_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 3000
    """TCP port of the web app, from 1 to 65535."""
    public_api_url: str = ""
    """URL of the API for browsers; empty for `http://localhost:$API_PORT`."""
    public_web_url: str = ""
    """URL of the web app for links; empty for the first of `web_origins`."""
    web_origins: str = ""
    """Comma-separated origins from which browsers may call the API; empty for a web app on this machine.

    `from_env` brings them into the form in which browsers send them.
    """
    trusted_proxies: str = ""
    """Comma-separated addresses and networks of proxies whose `Forwarded` and `X-Forwarded-For` are believed."""
    api_workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = os.cpu_count() or 1
    """Number of API processes, from 1 to 256; the default is one for two cores, because PostgreSQL needs the others."""

    booking_isolation: Literal["serializable", "read_committed"] = "serializable"
    """Isolation level of booking transactions."""
    booking_path: Literal["direct", "careful"] = "direct"
    """`direct` sells with the function `book_batch` where possible; `careful` never calls it."""
    payment_mode: Literal["inline", "async"] = "inline"
    """`inline` decides a payment within the booking request; `async` holds the tickets until a webhook decides it."""
    payment_success_rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.9
    """Share of payments that the simulator captures, from 0 (none) to 1 (all)."""
    payment_minimums: str = ""
    """The smallest totals that the provider charges, by currency in its major unit, such as `USD=0.50,JPY=50`.

    Smaller totals are refused, except for 0, which needs no charge. Empty for no minimum.
    """
    payment_webhook_secret: str = ""
    """Key for webhook signatures: `whsec_` and at least 24 bytes in base64; empty to generate one in `data_dir`."""
    ticket_secret: str = ""
    """Key for ticket codes: `tksec_` and at least 24 bytes in base64; empty to generate one in `data_dir`."""
    access_secret: str = ""
    """Key for order secrets: `acsec_` and at least 24 bytes in base64; empty to generate one in `data_dir`."""
    guest_orders: Literal["open", "secret"] | None = None
    """`open` lets everybody access the orders that were made without a secret; `secret` gives every order one.

    None for `open` if the API and the web app serve this machine only, otherwise for `secret`.
    """
    hold_seconds: Annotated[int, msgspec.Meta(ge=1, le=86_400)] = 300
    """Time that a pending order holds its tickets, from 1 s to a day."""
    payment_check_after_ms: Annotated[int, msgspec.Meta(ge=100, le=600_000)] = 5000
    """Time after the last update of an open payment at which the worker queries the provider, 100 ms to 10 min."""
    provider_url: str = ""
    """URL of the payment provider; empty for the simulator on `psp_port` of this machine."""
    provider_timeout_ms: Annotated[int, msgspec.Meta(ge=50, le=60_000)] = 1000
    """Timeout of one request to the provider, from 50 ms to a minute."""
    provider_attempts_max: Annotated[int, msgspec.Meta(ge=1, le=10)] = 3
    """Attempts of a request to the provider, from 1 to 10, with exponential backoff and jitter between them."""
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
    smtp_url: str = ""
    """URL of the mail server, with a percent-encoded user name and password if it needs them; empty: the mailbox."""
    mail_from: str = ""
    """Address of the sender of e-mails; empty for `tickets@` and the host of the web app."""
    mailbox_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """TCP port on 127.0.0.1 of the mailbox for development; 0 for two above `api_port`.

    With 0 `make run` uses another port if that one is taken.
    """
    mailbox_web_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """TCP port on 127.0.0.1 of the page that shows the mailbox; 0 for three above `api_port`, like `mailbox_port`."""
    mail_attempts_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20
    """Attempts to send an e-mail, from 1 to 100, with pauses from two minutes to an hour."""
    mail_give_up_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24
    """Age from which an e-mail that no mail server has accepted is given up, from 1 to 720 hours."""
    messages_kept_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 365
    """Days until the address of a sent or failed e-mail is erased, from 1 to 3650."""
    messages_per_hour: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 3
    """E-mails that buyers may request in an hour about one order and to one address, up to 1000; 0 for no limit."""
    message_requests_per_minute: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 10
    """Requests for e-mails of one client address in a minute, for each process, up to 1000; 0 for no limit."""
    unpaid_messages_per_hour: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 10
    """E-mails about unpaid orders to one address in an hour, up to 1000; 0 for no limit."""
    admission_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 12
    """Hours after the end of an event, or its start without an announced end, for which its tickets are valid at the
    entrance, from 1 to 720.
    """
    worker_silence_max_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 15
    """Age of a worker's last heartbeat, from 5 s to an hour, at which `make run` restarts the worker."""
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
    operations_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    """TCP port for `/health/*` and `/metrics` on connections of their own; 0 to serve them on `api_port`.

    With a port, `api_port` serves only `/health/live` and `/health/ready` of these. Without one, it serves the others
    to clients on this machine only.
    """
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
    def api_url(self) -> str:
        """Return the URL of the API for browsers, without a slash at the end."""
        return (self.public_api_url or f"http://localhost:{self.api_port}").rstrip("/")

    @property
    def web_url(self) -> str:
        """Return the URL of the web app for browsers, without a slash at the end."""
        return (self.public_web_url or self.allowed_origins[0]).rstrip("/")

    @property
    def provider_request_max_s(self) -> float:
        """Return the upper bound on the time in flight of a worker's charge request, in seconds."""
        # The worker queries the charge before it sends the request, and its clock may differ from the database's.
        return 1 + 2 * self.provider_attempts_max * (self.provider_timeout_ms + PROVIDER_PAUSE_MAX_MS) / 1000

    @property
    def round_trip_max_s(self) -> float:
        """Return the limit of one round trip to the database, in seconds."""
        return (self.db_round_trip_max_ms or self.statement_timeout_ms + _ROUND_TRIP_MARGIN_MS) / 1000

    @property
    def response_max_s(self) -> float:
        """Return the usual longest time of a response, in seconds: a booking's wait, then its transaction."""
        return self.booking_wait_ms / 1000 + self.round_trip_max_s

    @property
    def allowed_origins(self) -> list[str]:
        """Return the origins of `web_origins`, or those of a web app on this machine."""
        local = (f"http://{host}:{self.web_port}" for host in _LOOPBACK)
        return (self.web_origins or parse_origins(",".join(local))).split(",")

    @property
    def own_hosts(self) -> frozenset[str]:
        """Return the hosts of the API for browsers, each with its port unless that is the scheme's default."""
        local = (f"http://{host}:{self.api_port}" for host in _LOOPBACK)
        urls = (self.api_url, self.local_url(self.api_port), *local)
        return frozenset(urlsplit(parse_url(url)).netloc for url in urls)

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

    @property
    def payment_minimums_minor(self) -> dict[str, int]:
        """Return the smallest totals that the provider charges, by currency, in minor units."""
        return parse_amounts(self.payment_minimums) if self.payment_minimums else {}

    @property
    def trusted_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """Return the networks of `trusted_proxies`; an address is a network of one."""
        return tuple(_network(text.strip()) for text in self.trusted_proxies.split(",") if text.strip())

    @property
    def provider_base_url(self) -> str:
        """Return the URL of the payment provider, without a slash at the end."""
        return (self.provider_url or f"http://127.0.0.1:{self.psp_port}").rstrip("/")

    @property
    def mailbox_ports(self) -> tuple[int, int]:
        """Return the ports of the mailbox and of its page."""
        return self.mailbox_port or self.api_port + 2, self.mailbox_web_port or self.api_port + 3

    @property
    def mail_server(self) -> str:
        """Return the URL of the mail server."""
        return self.smtp_url or f"smtp://127.0.0.1:{self.mailbox_ports[0]}"

    @property
    def sender_address(self) -> str:
        """Return the address of the sender of e-mails."""
        return self.mail_from or f"tickets@{self.mail_domain}"

    @property
    def mail_domain(self) -> str:
        """Return the domain of e-mails: the host of the web app."""
        host = urlsplit(self.web_url).hostname or "localhost"
        return f"[IPv6:{host}]" if ":" in host else host

    @property
    def webhook_url(self) -> str:
        """Return the URL to which the payment simulator sends webhooks."""
        return self.psp_webhook_url or f"{self.local_url(self.api_port)}{WEBHOOK_PATH}"

    def local_url(self, port: int) -> str:
        """Return the URL under which this machine reaches a port of the API or the web app."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.api_host, self.api_host)  # noqa: S104
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

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
        settings = cls(**values)
        _check_proxies(settings)
        _check_payment_minimums(settings)
        _check_round_trip(settings)
        for secret in (WEBHOOK_SECRET, TICKET_SECRET, ACCESS_SECRET):
            _check_secret(settings, secret)
        return settings


def _network(text: str) -> IPv4Network | IPv6Network:
    """Return a network of addresses.

    Raises:
        ValueError: the text is no network, or one of IPv4 addresses in the form of IPv6.
    """
    network = ip_network(text)
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped:
        raise ValueError(text)  # The API compares such addresses as IPv4.
    return network


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


def _check_round_trip(settings: Settings) -> None:
    limit_ms = settings.db_round_trip_max_ms
    if 0 < limit_ms < settings.statement_timeout_ms:
        raise ConfigError(
            f"DB_ROUND_TRIP_MAX_MS='{limit_ms}' is not allowed: it must be 0 or at least STATEMENT_TIMEOUT_MS, "
            f"which is {settings.statement_timeout_ms}."
        )


def _check_secret(settings: Settings, secret: Secret) -> None:
    given = getattr(settings, secret.field)
    if given and not secret.fits(given):
        # The message omits the value, which is secret.
        raise ConfigError(
            f"{secret.field.upper()} is not allowed: it must be {secret.prefix} followed by at least "
            f"{SECRET_BYTES_MIN} bytes in base64."
        )
