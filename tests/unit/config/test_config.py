"""Settings: every variable has a default, accepts good values, and refuses bad ones with a helpful message."""

import base64
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from api.config import Settings
from api.errors import ConfigError, SetupError

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
LONGER_SECRET = "whsec_" + base64.b64encode(bytes(range(25))).decode()  # with padding
TICKET_SECRETS = [secret.replace("whsec_", "tksec_") for secret in (SECRET, LONGER_SECRET, LONGER_SECRET.rstrip("="))]
SESSION_SECRETS = [secret.replace("whsec_", "sesec_") for secret in (SECRET, LONGER_SECRET)]


class Variable(NamedTuple):
    """A variable with its default, accepted and refused values; `allowed` is part of the refusal's message."""

    name: str
    default: Any
    good: dict[str, Any]
    bad: Sequence[str] = ()
    allowed: str = ""

    @property
    def field(self) -> str:
        return self.name.lower()


def integer(name: str, default: int | None, least: int, most: int) -> Variable:
    """A whole number within a range."""
    return Variable(
        name,
        default,
        good={str(least): least, str(most): most},
        bad=[
            *(str(least - 1), str(most + 1), "many", "1.5", "-1", "true", "null", "1_0", f"+{most}", f"{most}.0"),
            *("1e2", "0x50", "\uff11\uff10", "\u0661", "9" * 5000, "nan", "inf", f"{most}, {most}"),
        ],
        allowed=f"a whole number from {least} to {most}",
    )


def share(name: str, default: float) -> Variable:
    """A number from 0 to 1."""
    return Variable(
        name,
        default,
        good={"0": 0.0, "1": 1.0, "0.25": 0.25},
        bad=["-0.1", "1.1", "90%", "often", "nan", "inf", "-inf", "+0.5", "0,5", "0_5", "\uff10", "1e400", "0x1"],
        allowed="a number from 0 to 1",
    )


def address(name: str) -> Variable:
    """An http or https address."""
    return Variable(
        name,
        "",
        good={
            "https://tickets.example/api": "https://tickets.example/api",
            "http://[::1]:80": "http://[::1]",
            "HTTPS://Tickets.Example:443/api/v1/": "https://tickets.example/api/v1",
            "http://payment_simulator:3002": "http://payment_simulator:3002",
            "https://b\u00dccher.example:8443": "https://xn--bcher-kva.example:8443",
        },
        bad=[
            *("tickets.example", "ftp://tickets.example", "https://", "http://a:b", "http://a:99999", "http://a b"),
            *(
                "http://a:0",
                "http://a:+80",
                "http:///path",
                "http://a..b",
                "http://-a",
                "http://127.1",
                "http://0x7f.1",
            ),
            *("http://256.1.1.1", "http://[::g]", "http://a\\b", "http://a/\u00fc", "http://a/;b", "//a", "null", "*"),
            *("http://a\tb", "http://a/b c", "http://\u2603.example", f"http://{'a' * 64}.example"),
        ],
        allowed="an http or https address",
    )


VARIABLES = [
    Variable(
        "DATABASE_URL",
        None,
        good={
            "postgresql://a@b/c": "target_session_attrs=read-write user=a dbname=c host=b",
            "postgresql:///c?host=/run": "target_session_attrs=read-write dbname=c host=/run",
            "postgres://a:p@h1:1,h2:2/c?target_session_attrs=any": (
                "target_session_attrs=any user=a password=p dbname=c host=h1,h2 port=1,2"
            ),
            "host=b dbname=c": "target_session_attrs=read-write dbname=c host=b",
        },
    ),
    # Other tests cover refused databases and secrets, because their message omits the value.
    Variable("DATABASE_DIRECT_URL", None, good={}),
    Variable("DATA_DIR", Path(".data"), good={"/srv/tickets": Path("/srv/tickets")}),
    Variable(
        "API_HOST",
        "127.0.0.1",
        good={
            "0.0.0.0": "0.0.0.0",  # noqa: S104 - the test opens no port
            "localhost": "localhost",
            "Tickets.Example": "tickets.example",
            "::1": "::1",
            "[::1]": "::1",
            "::": "::",
            "0:0:0:0:0:0:0:1": "::1",
            "FD00::A": "fd00::a",
            "api_1": "api_1",
            "a.b.": "a.b.",
        },
        bad=[
            *("*", "http://localhost", "localhost:3001", "127.0.0.1:80", "127.1", "256.0.0.1", "1.2.3", "0x7f.0.0.1"),
            *(
                "12",
                "::g",
                "[127.0.0.1]",
                "[::1",
                "::1%lo",
                "a b",
                "a,b",
                "a/b",
                "-a",
                "a..b",
                "a;b",
                "\u2603",
                "a" * 64,
            ),
        ],
        allowed="an IP address or a host name",
    ),
    integer("API_PORT", 3001, 1, 65535),
    integer("WEB_PORT", 3000, 1, 65535),
    *map(address, ("PUBLIC_API_URL", "PUBLIC_WEB_URL", "PUBLIC_STAFF_URL", "PROVIDER_URL", "PSP_WEBHOOK_URL")),
    integer("STAFF_CONNECTIONS_MAX", 500, 10, 100_000),
    integer("STAFF_MESSAGES_PER_S", 10, 1, 1000),
    integer("STAFF_MESSAGES_BURST", 100, 10, 10_000),
    integer("STAFF_STATES_MAX", 1000, 10, 100_000),
    integer("STAFF_REFUSALS_PER_MINUTE", 60, 1, 10_000),
    integer("STAFF_REQUESTS_PER_MINUTE", 1200, 60, 1_000_000),
    Variable(
        "WEB_ORIGINS",
        "",
        good={
            "https://a.example": "https://a.example",
            "https://Tickets.Example.ORG": "https://tickets.example.org",
            "HTTPS://a.example:443/, http://b.example:80": "https://a.example,http://b.example",
            "http://a.example:443,https://a.example:80": "http://a.example:443,https://a.example:80",
            "https://a.example,https://A.example": "https://a.example",
            "https://b\u00fccher.example": "https://xn--bcher-kva.example",
            "https://XN--BCHER-KVA.example": "https://xn--bcher-kva.example",
            "https://fa\u00df.de": "https://xn--fa-hia.de",
            "http://[0:0::1]:3000": "http://[::1]:3000",
        },
        bad=[
            *("*", "null", "tickets.example", "https://a.example/path", "https://a.example//", "ws://a.example", ","),
            *("https://a.example https://b.example", "https://a.example;https://b.example", "https://*.a.example"),
            *("https://a.example,*", "https://a.example,null", "file:///", "https://127.1", "https://a.example:0"),
        ],
        allowed="origins such as https://tickets.example, separated by commas",
    ),
    Variable(
        "TRUSTED_PROXIES",
        "",
        good={text: text for text in ("10.0.0.1", "10.0.0.0/8, ::1,fd00::/8", "0.0.0.0/0")},
        bad=["localhost", "10.0.0.1/8", "10.0.0.256", "fd00::1/8", "10.0.0.1;::1", "*", "::ffff:1.2.3.4"],
        allowed="addresses or networks",
    ),
    integer("API_WORKERS", os.cpu_count() or 1, 1, 256),
    Variable(
        "BOOKING_ISOLATION",
        "serializable",
        good={"serializable": "serializable", "read_committed": "read_committed"},
        bad=["snapshot", "SERIALIZABLE", "read committed"],
        allowed="serializable or read_committed",
    ),
    Variable(
        "BOOKING_PATH",
        "direct",
        good={"direct": "direct", "careful": "careful"},
        bad=["DIRECT", "fast"],
        allowed="direct or careful",
    ),
    Variable(
        "PAYMENT_MODE",
        "inline",
        good={"inline": "inline", "async": "async"},
        bad=["ASYNC", "INLINE", "none"],
        allowed="inline or async",
    ),
    share("PAYMENT_SUCCESS_RATE", 0.9),
    Variable(
        "PAYMENT_MINIMUMS",
        "",
        good={text: text for text in ("USD=0.50", "USD=0.5, JPY=50,KWD=0.100")},
        bad=["0.50", "USD", "USD=", "usd=1", "USD=-1", "USD=0.001", "JPY=0.5", "USD=1,USD=2", "USD=1;EUR=1", "USD=1e3"],
        allowed="amounts by currency, separated by commas, such as USD=0.50,JPY=50",
    ),
    Variable(
        "PAYMENT_WEBHOOK_SECRET",
        "",
        good={text: text for text in (SECRET, LONGER_SECRET, LONGER_SECRET.rstrip("="))},
    ),
    Variable("TICKET_SECRET", "", good={text: text for text in TICKET_SECRETS}),
    Variable("ACCESS_SECRET", "", good={text: text for text in (SECRET.replace("whsec_", "acsec_"),)}),
    Variable("SESSION_SECRETS", "", good={text: text for text in (SESSION_SECRETS[0], ", ".join(SESSION_SECRETS))}),
    integer("ACCESS_TOKEN_SECONDS", 600, 60, 3600),
    integer("SESSION_DAYS", 30, 1, 365),
    integer("REFRESH_GRACE_S", 10, 1, 60),
    integer("SIGN_IN_LINK_MINUTES", 15, 1, 1440),
    integer("CLOCK_DIFFERENCE_MAX_S", 60, 0, 3600),
    integer("SIGN_INS_PER_MINUTE", 5, 0, 100),
    integer("SIGN_INS_PER_ADDRESS_PER_MINUTE", 20, 0, 1000),
    integer("SIGN_IN_WAIT_MS", 2000, 50, 60_000),
    Variable(
        "GUEST_ORDERS",
        None,
        good={"open": "open", "secret": "secret"},
        bad=["Open", "closed", "1"],
        allowed="open or secret",
    ),
    integer("HOLD_SECONDS", 300, 1, 86_400),
    integer("PAYMENT_CHECK_AFTER_MS", 5000, 100, 600_000),
    integer("REFUND_GIVE_UP_HOURS", 24, 1, 720),
    integer("REFUND_REQUESTED_MAX_HOURS", 6, 1, 720),
    integer("PROVIDER_TIMEOUT_MS", 1000, 50, 60_000),
    integer("PROVIDER_ATTEMPTS_MAX", 3, 1, 10),
    integer("REFUNDS_PER_SECOND", 20, 1, 1000),
    integer("REFUND_BATCH", 200, 1, 200),
    integer("PROVIDER_BREAKER_FAILURES", 5, 1, 1000),
    integer("PROVIDER_BREAKER_RESET_MS", 5000, 100, 600_000),
    integer("PSP_PORT", 3002, 1, 65535),
    integer("PSP_DELAY_MS", 500, 0, 3_600_000),
    share("PSP_DUPLICATE_RATE", 0.0),
    share("PSP_REORDER_RATE", 0.0),
    share("PSP_LOSS_RATE", 0.0),
    share("PSP_LIMIT_RATE", 0.0),
    share("PSP_SHORT_FUNDS_RATE", 0.0),
    share("PSP_REFUND_FAILURE_RATE", 0.0),
    Variable(
        "PAYMENT_PROVIDER",
        "simulator",
        good={"simulator": "simulator", "stripe": "stripe"},
        bad=["Stripe", "paypal"],
        allowed="simulator or stripe",
    ),
    Variable("STRIPE_API_KEY", "", good={"sk_test_1": "sk_test_1", "rk_live_A": "rk_live_A"}),
    Variable("STRIPE_API_URL", "", good={"http://127.0.0.1:3002/": "http://127.0.0.1:3002"}),
    Variable("STRIPE_WEBHOOK_SECRETS", "", good={f"whsec_{'a' * 24}": f"whsec_{'a' * 24}"}),
    integer("BOOKINGS_PER_MINUTE", 10, 0, 1000),
    integer("ENDPOINT_RPS", 1000, 0, 1_000_000),
    integer("ADDRESS_RPS", None, 0, 1_000_000),
    integer("HELD_TICKETS_PER_ADDRESS", None, 0, 1_000_000),
    integer("MAX_TICKETS_PER_BOOKING", 10, 1, 1000),
    integer("SEAT_MAP_SEATS_MAX", 5000, 0, 100_000),
    integer("STATEMENT_TIMEOUT_MS", 2000, 50, 600_000),
    integer("BOOKING_ATTEMPTS_MAX", 12, 1, 100),
    integer("BOOKING_BATCH_MAX", 100, 1, 1000),
    integer("BOOKING_QUEUE_MAX", 2000, 1, 100_000),
    integer("BOOKING_WAIT_MS", 1000, 50, 60_000),
    integer("DECLINED_KEPT_DAYS", 30, 1, 3650),
    integer("WEBHOOKS_KEPT_DAYS", 30, 1, 3650),
    # Other tests cover the refused values of these two, because their message omits the value.
    Variable("SMTP_URL", "", good={"SMTPS://Mail.Example:465/": "smtps://mail.example:465"}),
    Variable("MAIL_FROM", "", good={"box@office.example": "box@office.example"}),
    *(integer(name, 0, 0, 65535) for name in ("MAILBOX_PORT", "MAILBOX_WEB_PORT", "STAFF_PORT")),
    integer("MAIL_ATTEMPTS_MAX", 20, 1, 100),
    integer("MAIL_GIVE_UP_HOURS", 24, 1, 720),
    integer("EVENT_CHANGE_DELAY_S", 60, 10, 86_400),
    integer("MESSAGES_KEPT_DAYS", 365, 1, 3650),
    integer("MESSAGES_PER_HOUR", 3, 0, 1000),
    integer("MESSAGE_REQUESTS_PER_MINUTE", 10, 0, 1000),
    integer("LINKS_RESPONSE_MS", 100, 1, 5000),
    integer("UNPAID_MESSAGES_PER_HOUR", 10, 0, 1000),
    integer("PDF_THREADS", 1, 1, 16),
    integer("PDF_WAIT_MS", 3000, 100, 60_000),
    # Another test covers the domains, which depend on the address of the web app.
    Variable("PASSKEY_RP_ID", "", good={"LocalHost": "localhost"}),
    integer("PASSKEYS_PER_ACCOUNT", 20, 1, 100),
    integer("PASSKEY_CHALLENGE_SECONDS", 300, 30, 3600),
    integer("PASSKEY_CHALLENGES_PER_MINUTE", 60, 0, 10_000),
    integer("ADMISSION_HOURS", 12, 1, 720),
    integer("WORKER_SILENCE_MAX_S", 15, 5, 3600),
    integer("JOB_LAG_MAX_S", 300, 5, 86_400),
    integer("SERVER_SILENCE_MAX_S", 30, 5, 3600),
    integer("CONNECTIONS_MAX", 20_000, 10, 1_000_000),
    integer("HEADER_TIMEOUT_MS", 30_000, 100, 600_000),
    integer("BODY_TIMEOUT_MS", 10_000, 100, 600_000),
    integer("WRITE_TIMEOUT_MS", 30_000, 100, 600_000),
    integer("OPERATIONS_PORT", 0, 0, 65535),
    integer("SHUTDOWN_DELAY_MS", 2000, 0, 60_000),
    integer("DB_POOL_MAX", 8, 2, 1000),
    integer("DB_ROUND_TRIP_MAX_MS", 0, 0, 660_000),
    integer("DB_COMMITS_WAITING_MAX", 20, 1, 10_000),
    integer("DB_CONNECT_TIMEOUT_S", 2, 1, 60),
    integer("BODY_BYTES_MAX", 16_384, 256, 10_000_000),
]


def value_of(variable: Variable, environ: dict[str, str]) -> Any:
    return getattr(Settings.from_env(environ), variable.field)


def test_every_variable_is_tested_here() -> None:
    assert {v.field for v in VARIABLES} == {field.name for field in msgspec.structs.fields(Settings)}


@pytest.mark.parametrize("variable", VARIABLES, ids=lambda v: v.name)
@pytest.mark.parametrize("environ", [{}, {"": ""}, {"{name}": ""}, {"{name}": "  "}], ids=str)
def test_an_absent_or_empty_variable_has_its_default(variable: Variable, environ: dict[str, str]) -> None:
    named = {name.format(name=variable.name): text for name, text in environ.items()}
    assert value_of(variable, named) == variable.default


@pytest.mark.parametrize(
    ("variable", "text", "value"), [(v, text, value) for v in VARIABLES for text, value in v.good.items()]
)
def test_a_good_value_is_accepted(variable: Variable, text: str, value: Any) -> None:
    for written in (text, f" {text}\n"):
        accepted = value_of(variable, {variable.name: written})
        assert accepted == value
        assert type(accepted) is type(value)


@pytest.mark.parametrize(("variable", "text"), [(v, text) for v in VARIABLES for text in v.bad])
def test_a_bad_value_is_refused_with_the_variable_and_the_allowed_values(variable: Variable, text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({variable.name: text})
    message = str(refusal.value)
    assert message.startswith(f"{variable.name}={text!r} is not allowed: it must ")
    assert variable.allowed in message


@pytest.mark.parametrize(
    ("variable", "prefix"),
    [("PAYMENT_WEBHOOK_SECRET", "whsec_"), ("TICKET_SECRET", "tksec_"), ("ACCESS_SECRET", "acsec_")],
)
@pytest.mark.parametrize(
    "secret",
    [
        "hunter2-hunter2-hunter2-hunter2-hunter2",
        SECRET.removeprefix("whsec_"),
        SECRET.upper(),
        "whsec_",
        f"whsec_{base64.b64encode(bytes(23)).decode()}",
        f"whsec_{'*' * 40}",
        f"whsec_{'é' * 40}",
        f"{SECRET[:20]} {SECRET[20:]}",
    ],
)
def test_a_refused_secret_is_not_shown(variable: str, prefix: str, secret: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({variable: secret.replace("whsec_", prefix)})
    assert str(refusal.value) == (
        f"{variable} is not allowed: it must be {prefix} followed by at least 24 bytes in base64."
    )
    assert refusal.value.__cause__ is None


def test_the_direct_url_belongs_to_the_same_database() -> None:
    urls = {"DATABASE_URL": "postgresql://pooler/d", "DATABASE_DIRECT_URL": "postgresql://b/d"}
    assert Settings.from_env(urls).database_direct_url == "target_session_attrs=read-write dbname=d host=b"
    with pytest.raises(ConfigError, match="DATABASE_DIRECT_URL is not allowed without DATABASE_URL"):
        Settings.from_env({"DATABASE_DIRECT_URL": "postgresql://b/d"})


def test_one_address_gets_a_part_of_an_endpoint_and_no_limit_where_that_has_none() -> None:
    assert Settings().limited_address_rps == Settings().endpoint_rps * 0.8
    assert Settings.from_env({"ENDPOINT_RPS": "0"}).limited_address_rps == 0
    assert Settings.from_env({"ENDPOINT_RPS": "0", "ADDRESS_RPS": "7"}).limited_address_rps == 0


def test_the_limit_of_a_round_trip_exceeds_that_of_a_statement() -> None:
    assert Settings().round_trip_max_s == 3.0
    assert Settings.from_env({"STATEMENT_TIMEOUT_MS": "60000"}).round_trip_max_s == 61.0
    assert Settings.from_env({"DB_ROUND_TRIP_MAX_MS": "2000"}).round_trip_max_s == 2.0
    with pytest.raises(ConfigError, match=r"DB_ROUND_TRIP_MAX_MS='1999' is not allowed: .* STATEMENT_TIMEOUT_MS"):
        Settings.from_env({"DB_ROUND_TRIP_MAX_MS": "1999"})


def test_a_refusal_ends_a_process_without_a_traceback() -> None:
    assert issubclass(ConfigError, SetupError)  # The command line catches this class.


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Settings().api_port = 1  # type: ignore[misc]
