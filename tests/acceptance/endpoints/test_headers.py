"""Headers of every response: compression, security and CORS."""

import httpx
import pytest

from tests.acceptance.system import FOREIGN_ORIGIN, SECURITY_HEADERS, Buyer
from tests.stack import Stack


def test_a_large_response_is_compressed_for_clients_that_accept_gzip(untouched: Buyer) -> None:
    def tickets(encoding: str) -> httpx.Response:
        return untouched.client.get(
            "/api/tickets", params={"event": untouched.event}, headers={"Accept-Encoding": encoding}
        )

    compressed, plain = tickets("gzip"), tickets("identity")
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in compressed.headers["Vary"]
    assert "Content-Encoding" not in plain.headers
    assert compressed.json() == plain.json()
    assert int(compressed.headers["Content-Length"]) * 5 < int(plain.headers["Content-Length"])


@pytest.mark.parametrize("path", ["/api/tickets/availability", "/api/tickets?limit=1", "/health/live", "/no/such/path"])
def test_a_small_response_is_not_compressed(client: httpx.Client, path: str) -> None:
    assert "Content-Encoding" not in client.get(path, headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/tickets/availability", 200),
        ("GET", "/api/tickets", 200),
        ("GET", "/api/bookings?userId=nobody", 200),
        ("GET", "/health/live", 200),
        ("GET", "/health/ready", 200),
        ("GET", "/schema", 200),
        ("GET", "/schema/openapi.json", 200),
        ("GET", "/api/bookings", 400),
        ("POST", "/api/bookings", 400),
        ("GET", "/api/bookings/nobody-has-this", 404),
        ("GET", "/api/bookings/nobody-has-this/tickets/1.svg", 404),
        ("GET", "/api/bookings/nobody-has-this/calendar.ics", 404),
        ("GET", "/api/bookings/nobody-has-this/tickets.pdf", 404),
        ("GET", "/no/such/path", 404),
        ("DELETE", "/api/bookings", 405),
    ],
)
def test_every_response_has_the_security_headers(client: httpx.Client, method: str, path: str, status: int) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert {name: response.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def preflight(client: httpx.Client, origin: str) -> httpx.Response:
    return client.options(
        "/api/bookings",
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type,idempotency-key",
        },
    )


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_the_web_app_may_call_from_its_origin(stack: Stack, buyer: Buyer, host: str) -> None:
    client = buyer.client
    origin = f"http://{host}:{stack.web_port}"
    preflighted = preflight(client, origin)
    assert preflighted.is_success
    assert preflighted.headers["Access-Control-Allow-Origin"] == origin
    assert "POST" in preflighted.headers["Access-Control-Allow-Methods"]
    allowed = preflighted.headers["Access-Control-Allow-Headers"].lower()
    assert {"content-type", "idempotency-key"} <= {name.strip() for name in allowed.split(",")}
    reference = buyer.booked()["reference"]
    for response in (
        client.get("/api/tickets/availability", headers={"Origin": origin}),
        client.get(f"/api/bookings/{reference}", headers={"Origin": origin}),
        client.get(f"/api/bookings/{reference}/tickets/1.svg", headers={"Origin": origin}),
        client.get(f"/api/bookings/{reference}/calendar.ics", headers={"Origin": origin}),
        client.get(f"/api/bookings/{reference}/tickets.pdf", headers={"Origin": origin}),
        client.post("/api/bookings", content=b"", headers={"Origin": origin}),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == origin
        assert "Origin" in response.headers["Vary"]
        exposed = {name.strip() for name in response.headers["Access-Control-Expose-Headers"].split(",")}
        assert exposed >= {"ETag", "X-As-Of", "Retry-After", "Idempotent-Replayed", "RateLimit", "RateLimit-Policy"}
        assert "X-Event-Revision" in exposed
        assert "Content-Disposition" in exposed


def test_a_page_of_a_foreign_origin_may_not_call(client: httpx.Client) -> None:
    responses = [preflight(client, FOREIGN_ORIGIN)]
    responses += [client.get(path, headers={"Origin": FOREIGN_ORIGIN}) for path in ("/api/tickets", "/no/such/path")]
    assert all("Access-Control-Allow-Origin" not in response.headers for response in responses)
    assert not responses[0].is_success
