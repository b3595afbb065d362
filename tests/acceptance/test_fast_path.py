"""The fast path: its responses equal the framework's to the byte, and it serves nothing but simple requests."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple, cast

import httpx
import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, given, settings
from litestar.types import HTTPScope, Message
from schemathesis import GenerationMode

from api import fast_path
from api.app import create_app
from api.config import Settings
from api.database.embedded import EmbeddedServer
from api.fast_path import HARMLESS, HARMLESS_WITH_BODY, FastPath
from api.http.responses import RawResponse
from api.routes import bookings, events, tickets
from api.schemas import BUILT_IN_EVENT
from tests.acceptance.schema_rules import existing
from tests.in_process import running
from tests.stack import cloned_database, temporary_directory

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("fast_path")]

EXAMPLES = 80
"""Generated requests for each operation and generation mode."""
HOT = [
    ("GET", tickets.AVAILABILITY),
    ("GET", tickets.STATES),
    ("GET", events.EVENTS),
    ("GET", events.EVENT),
    ("POST", bookings.BOOKINGS),
]
GOOD = {"tier": "GA", "quantity": 2, "userId": "user-123"}
FORMATS: dict[bytes, tuple[bytes, ...]] = {
    b"host": (b"localhost:3001", b"[::1]:3001", b"odd host/?", b""),
    b"origin": (b"http://localhost:3000", b"https://elsewhere.example", b"null", b""),
    b"accept": (b"*/*", b"text/html", b"application/problem+json", b"image/png;q=0", b""),
    b"accept-encoding": (b"gzip, deflate, br", b"identity", b"*", b"GZIP", b"gzip;q=0", b"*;q=0, gzip;q=0.1", b""),
    b"sec-fetch-site": (b"cross-site", b"same-site", b"same-origin", b"none", b""),
    b"if-none-match": (b"*", b'"other"', b'W/"other"', b""),
    b"content-type": (b"text/plain", b"application/json; charset=utf-8", b"APPLICATION/JSON", b""),
    b"content-length": (b"0", b"1", b"x", b""),
    b"idempotency-key": (b"key-1", b'"key-1"', b'"', b"not a key", b"\xff", b""),
    b"booking-secret": (b"s" * 43, b"short", b""),
    b"forwarded": (b"for=192.0.2.60;proto=https;host=elsewhere.example",),
    b"x-forwarded-host": (b"elsewhere.example",),
    b"x-forwarded-proto": (b"https",),
    b"x-forwarded-for": (b"192.0.2.60, 10.0.0.1",),
    b"connection": (b"close", b"upgrade"),
    b"cache-control": (b"no-cache", b"only-if-cached", b"max-age=0"),
}
"""Values for headers with a format; the others get a text."""
HOST = (b"host", b"localhost:3001")
"""The header of requests that have no other host."""


class Sent(NamedTuple):
    """A request as its server passes it to the application."""

    method: str
    path: str
    query: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""

    def with_headers(self, *headers: tuple[bytes, bytes]) -> "Sent":
        replaced = {name for name, _ in headers}
        return self._replace(headers=(*(each for each in self.headers if each[0] not in replaced), *headers))


class Received(NamedTuple):
    """A response, and whether the framework made it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    by_framework: bool

    @property
    def as_of(self) -> bytes | None:
        return dict(self.headers).get(b"x-as-of")


def book(key: str, **changes: Any) -> Sent:
    body = json.dumps(GOOD | changes).encode()
    sent = Sent("POST", bookings.BOOKINGS, body=body)
    return sent.with_headers(
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"idempotency-key", key.encode()),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fast(server: EmbeddedServer) -> AsyncIterator[FastPath]:
    with cloned_database(server) as url, temporary_directory() as directory:
        options = Settings(database_url=url, data_dir=directory, endpoint_rps=0, bookings_per_minute=0)
        app = create_app(options)
        framework = app.framework

        async def marked(scope: Any, receive: Any, send: Any) -> None:
            scope["by_framework"] = True
            await framework(scope, receive, send)

        app.framework = marked  # type: ignore[assignment]
        async with running(app):
            yield app


async def receive_from(app: Callable[..., Any], sent: Sent) -> Received:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": sent.method,
        "scheme": "http",
        "path": sent.path,
        "raw_path": sent.path.encode(),
        "root_path": "",
        "query_string": sent.query,
        "headers": [*(() if b"host" in dict(sent.headers) else [HOST]), *sent.headers],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 3001),
    }
    incoming: list[Message] = [cast("Message", {"type": "http.request", "body": sent.body, "more_body": False})]
    outgoing: list[Any] = []

    async def receive() -> Any:
        return incoming.pop() if incoming else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        outgoing.append(message)

    await app(cast("HTTPScope", scope), receive, send)
    start, *chunks = outgoing
    headers = sorted((name.lower(), value) for name, value in start["headers"])
    return Received(start["status"], headers, b"".join(c.get("body", b"") for c in chunks), "by_framework" in scope)


async def compare(fast: FastPath, sent: Sent) -> Received:
    """Assert that both paths return the same response; return that of the fast path."""
    if sent.method == "POST":
        await receive_from(fast.framework, sent)  # Afterwards both paths handle a repeat.
    while True:
        received, expected = await receive_from(fast, sent), await receive_from(fast.framework, sent)
        assert expected.by_framework
        if received.as_of == expected.as_of:  # Otherwise a new snapshot appeared between the two.
            break
    assert received._replace(by_framework=True) == expected, sent
    return received


# --- Simple requests ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), HOT)
async def test_a_simple_request_to_a_hot_endpoint_takes_the_fast_path(fast: FastPath, method: str, path: str) -> None:
    sent = book("key-1") if method == "POST" else Sent(method, path.format(slug=BUILT_IN_EVENT))
    received = await compare(fast, sent)
    assert (received.status, received.by_framework) == (201 if method == "POST" else 200, False)


async def test_a_booking_with_a_secret_takes_the_fast_path(fast: FastPath) -> None:
    secret = b"s" * 43
    received = await compare(fast, book("key-with-a-secret").with_headers((b"booking-secret", secret)))
    assert (received.status, received.by_framework) == (201, False)
    assert json.loads(received.body)["bookingSecret"] == secret.decode()


@pytest.mark.parametrize("name", sorted(HARMLESS_WITH_BODY))
async def test_a_listed_header_has_the_same_effect_on_both_paths(fast: FastPath, name: bytes) -> None:
    values = FORMATS.get(name, (b"a value", b"\xe4, ?1;q=0.5", b""))
    requests = [Sent(method, path.format(slug=BUILT_IN_EVENT)) for method, path in HOT if method == "GET"]
    requests = [*(requests if name in HARMLESS else ()), book("key-1"), book("key-1", tier="Balcony")]
    received = [await compare(fast, sent.with_headers((name, value))) for sent in requests for value in values]
    if name not in {b"content-type", b"content-length"}:
        assert not all(each.by_framework for each in received)


# --- Requests for the framework ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        ((b"authorization", b"Bearer x"),),
        ((b"x-unknown", b"1"),),
        ((b"range", b"bytes=0-1"),),
        ((b"expect", b"100-continue"),),
        ((b"transfer-encoding", b"chunked"),),
        ((b"Accept", b"*/*"),),
        ((b"accept-encoding", b"gzip"), (b"accept-encoding", b"identity")),
        ((b"origin", b"https://elsewhere.example"),),
        ((b"host", b"odd host/?"),),
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "path"), HOT)
async def test_a_request_with_any_other_header_goes_to_the_framework(
    fast: FastPath, method: str, path: str, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    sent = book("key-1") if method == "POST" else Sent(method, path.format(slug=BUILT_IN_EVENT))
    assert (await compare(fast, sent.with_headers(*headers))).by_framework


@pytest.mark.parametrize("cookie", [b"session=1", b"other=1"])
async def test_a_booking_with_a_cookie_and_without_an_origin_goes_to_the_framework(
    fast: FastPath, cookie: bytes
) -> None:
    booking = book("key-1").with_headers((b"cookie", cookie))
    assert (await compare(fast, booking)).by_framework
    assert not (await compare(fast, booking.with_headers((b"origin", FORMATS[b"origin"][0])))).by_framework


@pytest.mark.parametrize("name", sorted(HARMLESS_WITH_BODY - HARMLESS))
@pytest.mark.parametrize("path", [path for method, path in HOT if method == "GET"])
async def test_headers_of_a_body_are_harmless_only_with_a_body(fast: FastPath, path: str, name: bytes) -> None:
    sent = Sent("GET", path.format(slug=BUILT_IN_EVENT), headers=((name, b"1"),))
    assert (await compare(fast, sent)).by_framework


@pytest.mark.parametrize(
    "sent",
    [
        Sent("GET", tickets.AVAILABILITY, b"event="),
        Sent("GET", tickets.AVAILABILITY, b"event=a%20b"),
        Sent("GET", tickets.AVAILABILITY, b"event=nothing&more="),
        Sent("GET", tickets.AVAILABILITY, b"event=" + b"e" * 129),
        Sent("HEAD", tickets.AVAILABILITY),
        Sent("GET", f"{events.EVENTS}/No-Such-Event"),
        Sent("GET", bookings.BOOKINGS, b"userId=u"),
        book("key-1")._replace(body=b"{}"),
        book("key-1", quantity="2"),
        book("key-1", userId="u" * 20_000),
        book("key-1").with_headers((b"content-type", b"text/plain")),
    ],
    ids=lambda sent: f"{sent.method} {sent.path} {sent.query[:20]!r}",
)
async def test_a_request_that_is_not_simple_goes_to_the_framework(fast: FastPath, sent: Sent) -> None:
    assert (await compare(fast, sent)).by_framework


@pytest.mark.parametrize("origin", [((b"origin", b""),), ()], ids=["empty origin", "no origin"])
async def test_a_foreign_page_without_an_origin_cannot_book(
    fast: FastPath, origin: tuple[tuple[bytes, bytes], ...]
) -> None:
    sent = book("key-of-a-foreign-page").with_headers(*origin, (b"sec-fetch-site", b"cross-site"))
    received = await compare(fast, sent)
    assert (received.status, received.by_framework) == (403, True)


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        (b"http://localhost:3001", b"localhost:3001", 201),
        (b"http://127.0.0.1:3001", b"127.0.0.1:3001", 201),
        (b"http://[::1]:3001", b"[::1]:3001", 201),
        (b"http://rebound.example:3001", b"rebound.example:3001", 403),
        (b"http://rebound.example", b"rebound.example", 403),
        (b"http://localhost:3002", b"localhost:3002", 403),
        (b"http://localhost:3001", b"127.0.0.1:3001", 403),
    ],
)
async def test_a_page_of_a_name_that_was_bound_to_the_api_cannot_book(
    fast: FastPath, origin: bytes, host: bytes, status: int
) -> None:
    sent = book("key-of-an-own-page").with_headers((b"origin", origin), (b"host", host))
    assert (await compare(fast, sent)).status == status


# --- Generated requests ------------------------------------------------------------------------------------


def generated(method: str, path: str, mode: GenerationMode) -> list[Sent]:
    """Return requests that Schemathesis generates from the OpenAPI document."""
    document = create_app(Settings(database_url="postgresql://nowhere")).app.openapi_schema.to_schema()
    operation = schemathesis.openapi.from_dict(document)[path][method]
    strategy = operation.as_strategy(generation_mode=mode)
    if mode is GenerationMode.POSITIVE and path == events.EVENT:
        strategy |= operation.as_strategy(generation_mode=mode, path_parameters={"slug": BUILT_IN_EVENT})
    requests: list[Sent] = []

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def collect(case: schemathesis.Case[Any]) -> None:
        requests.append(sent_as(case, f"key-{len(requests)}"))

    collect()
    return requests


def sent_as(case: schemathesis.Case[Any], key: str) -> Sent:
    """Return a generated request; a booking without a key gets `key`, so that a repeat has the same response."""
    options = case.as_transport_kwargs(base_url="http://127.0.0.1:3001")
    url = httpx.URL(options["url"], params=options["params"])
    headers = {name.lower(): value for name, value in options["headers"].items()}
    del headers["x-schemathesis-testcaseid"]
    body = options.get("data", b"")
    if "json" in options:
        value = options["json"]
        if case.meta and case.meta.generation.mode.is_positive:
            value = existing(value)
        body = json.dumps(value).encode()
        if not (isinstance(value, dict) and value.get("bookingReference")):
            headers.setdefault("idempotency-key", key)
    if case.method == "POST":
        headers["content-length"] = str(len(body))
    raw = tuple((name.encode("latin-1"), str(value).encode("latin-1")) for name, value in headers.items())
    return Sent(case.method, url.path, url.query, raw, body)


@pytest.mark.parametrize(
    ("method", "path", "mode"),
    [
        *((*endpoint, GenerationMode.POSITIVE) for endpoint in HOT),
        # The operations of the events have no parameter that the generator can violate.
        ("GET", tickets.AVAILABILITY, GenerationMode.NEGATIVE),
        ("GET", tickets.STATES, GenerationMode.NEGATIVE),
        ("POST", bookings.BOOKINGS, GenerationMode.NEGATIVE),
    ],
)
async def test_generated_requests_get_the_same_response_on_both_paths(
    fast: FastPath, method: str, path: str, mode: GenerationMode
) -> None:
    requests = generated(method, path, mode)
    received = [await compare(fast, sent) for sent in requests]
    if mode is GenerationMode.POSITIVE:
        assert {200, 201} & {each.status for each in received if not each.by_framework}


# --- Negative control --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "differ",
    [
        lambda response: response._replace(body=response.body + b" "),
        lambda response: response._replace(status=203),
        lambda response: response._replace(headers={**response.headers, "X-More": "1"}),
        lambda response: response._replace(headers={"X-As-Of": response.headers["X-As-Of"]}),
    ],
    ids=["body", "status", "another header", "missing headers"],
)
async def test_a_handler_with_another_response_is_found(
    fast: FastPath, differ: Callable[[RawResponse], RawResponse], monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = fast_path._cached
    monkeypatch.setattr(fast_path, "_cached", lambda *arguments: differ(cached(*arguments)))
    with pytest.raises(AssertionError):
        await compare(fast, Sent("GET", tickets.AVAILABILITY))


async def test_the_list_decides_which_headers_take_the_fast_path(
    fast: FastPath, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = book("key-1").with_headers((b"transfer-encoding", b"chunked"))
    monkeypatch.setattr(fast_path, "HARMLESS_WITH_BODY", HARMLESS_WITH_BODY | {b"transfer-encoding"})
    assert not (await compare(fast, sent)).by_framework
