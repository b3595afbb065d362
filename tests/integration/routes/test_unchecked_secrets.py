"""The negative control of order secrets: the requests of a stranger succeed if the API does not check the secret."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from api.config import Settings
from api.services.access import Access
from tests.acceptance.access.test_order_secrets import FOREIGN, OWN, ROUTES, body_of
from tests.in_process import running
from tests.stack import application_url


@pytest.fixture
async def client(database_url: str, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API in the memory of the test."""
    app = create_app(Settings(database_url=application_url(database_url), data_dir=tmp_path, payment_success_rate=1))
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with running(app), httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


async def statuses(client: httpx.AsyncClient, reference: str, secret: str) -> list[int]:
    """Return the status of each request for an order."""
    found = []
    for method, path in ROUTES:
        response = await client.request(
            *(method, path.format(reference)),
            headers={"Booking-Secret": secret},
            json=body_of(path, "u") if method == "POST" else None,
        )
        found.append(response.status_code)
    return found


@pytest.mark.parametrize(("is_checked", "status"), [(True, 404), (False, 200)])
async def test_each_request_for_an_order_depends_on_the_check(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, *, is_checked: bool, status: int
) -> None:
    body = {"tier": "GA", "quantity": 1, "userId": "u"}
    booked = await client.post("/api/bookings", json=body, headers={"Booking-Secret": OWN})
    reference = booked.json()["reference"]
    if not is_checked:
        monkeypatch.setattr(Access, "admits", lambda _access, _digest: True)
    assert await statuses(client, reference, FOREIGN) == [status] * len(ROUTES)
