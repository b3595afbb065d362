"""Limits of requests per endpoint."""

from collections.abc import Callable

import httpx

from api.database.embedded import EmbeddedServer
from tests.acceptance.system import Buyer, assert_problem, client_of, running_system


def test_requests_above_an_endpoint_s_limit_are_refused_and_counted(server: EmbeddedServer) -> None:
    with running_system(server, ENDPOINT_RPS="2") as stack, client_of(stack) as client:
        buyer = Buyer(client)
        send_requests: list[Callable[[], httpx.Response]] = [
            buyer.availability,
            buyer.book,
            lambda: client.get("/api/bookings?userId=u"),
            lambda: client.get("/api/tickets/states"),
            lambda: client.get(f"/api/events/{buyer.event}"),
        ]
        for send in send_requests:
            refused = next(response for response in (send() for _ in range(1000)) if response.status_code == 429)
            assert "available" not in assert_problem(refused, 429, "rate_limited")
            headers = {name: refused.headers[name] for name in ("Retry-After", "RateLimit-Policy", "RateLimit")}
            assert headers == {
                "Retry-After": "1",
                "RateLimit-Policy": '"endpoint";q=2;w=1',
                "RateLimit": '"endpoint";r=0;t=1',
            }
        for _ in range(20):
            assert client.get("/health/live").status_code == 200
            assert client.get("/schema/openapi.json").status_code == 200
        counts = client.get("/metrics").text
        for method, route in (
            ("GET", "/api/tickets/availability"),
            ("POST", "/api/bookings"),
            ("GET", "/api/bookings"),
            ("GET", "/api/tickets/states"),
            ("GET", "/api/events/{slug}"),
        ):
            assert f'http_requests_total{{method="{method}",route="{route}",status="429"}}' in counts
