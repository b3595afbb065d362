"""Metrics count every response, also those that belong to no route, with a bounded number of labels."""

import re

import httpx

from tests.stack import eventually

UNMATCHED = re.compile(r'http_requests_total\{method="(\w+)",route="unmatched",status="(\d+)"\} (\d+)\.0')


def unmatched(client: httpx.Client) -> dict[tuple[str, str], int]:
    found = UNMATCHED.findall(client.get("/metrics").text)
    return {(method, status): int(count) for method, status, count in found}


def test_responses_without_a_route_are_counted_without_their_path(client: httpx.Client) -> None:
    before = unmatched(client)
    for number in range(3):
        assert client.get(f"/nothing-{number}").status_code == 404
        assert client.delete("/api/tickets").status_code == 405
        assert client.request("PROPFIND", "/api/tickets").status_code == 405
    kinds = (("GET", "404"), ("DELETE", "405"), ("other", "405"))

    def counted() -> bool:
        after = unmatched(client)
        return all(after.get(kind, 0) >= before.get(kind, 0) + 3 for kind in kinds)

    assert eventually(counted)  # The API caches its metrics for a moment.
    assert "nothing-" not in client.get("/metrics").text
