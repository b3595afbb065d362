"""Accounts of an API in the memory of a test: their sessions, without e-mails."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import httpx

from api.app import create_app
from api.config import Settings
from api.database import queries
from api.database.session import Statement, open_session
from api.http.state import ApiState
from api.services.accounts.sessions import OpenedSession, start_session
from api.services.accounts.sign_in import AccountRow
from tests.in_process import running
from tests.stack import application_url

ORIGIN = "http://localhost:3000"


class Api:
    """An API in the memory of the test, with a client of it."""

    def __init__(self, state: ApiState, client: httpx.AsyncClient, document: dict[str, Any]) -> None:
        self.state = state
        self.client = client
        self.document = document

    async def open_session(self, email: str) -> OpenedSession:
        """Start a session of the account of an address, which is made if it is missing."""
        parameters = {"email": email, "locale": "en"}
        async with open_session(self.state.pool) as session:
            (row,) = await session.run(Statement(queries.accounts.upsert_verified, parameters, AccountRow))
            return await start_session(session, self.state.settings, row.id, row.public_id)

    def bearer(self, opened: OpenedSession) -> dict[str, str]:
        """Return the header with an access token of a session."""
        token = self.state.session_keys.issue(opened.identity, datetime.now(UTC), valid_s=600)
        return {"Authorization": f"Bearer {token.text}"}

    async def signed_in(self, email: str) -> dict[str, str]:
        """Return the header with an access token of a new session."""
        return self.bearer(await self.open_session(email))

    async def book(self, headers: dict[str, str] | None = None, **wanted: Any) -> dict[str, Any]:
        """Book a ticket; return the order."""
        body = {"tier": "GA", "quantity": 1, "userId": "user-123", **wanted}
        response = await self.client.post("/api/bookings", json=body, headers=headers)
        order: dict[str, Any] = response.raise_for_status().json()
        return order


def new_secret() -> dict[str, str]:
    """Return the header with a new secret of an order."""
    return {"Booking-Secret": secrets.token_urlsafe(32)}


@contextlib.asynccontextmanager
async def running_api(database_url: str, directory: Path, **settings: Any) -> AsyncIterator[Api]:
    """Run an API whose limits no test reaches, unless `settings` say otherwise."""
    unlimited: dict[str, Any] = {
        "bookings_per_minute": 0,
        "endpoint_rps": 0,
        "message_requests_per_minute": 0,
        "messages_per_hour": 0,
        "passkey_challenges_per_minute": 0,
        "sign_ins_per_minute": 0,
        "sign_ins_per_address_per_minute": 0,
        "sign_in_wait_ms": 60_000,
        "booking_wait_ms": 20_000,
        "payment_success_rate": 1,
        "guest_orders": "secret",
        "web_origins": ORIGIN,
    }
    app = create_app(Settings(database_url=application_url(database_url), data_dir=directory, **unlimited | settings))
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
    async with running(app), httpx.AsyncClient(transport=transport, base_url="http://localhost:3001") as client:
        yield Api(cast("ApiState", app.app.state), client, app.app.openapi_schema.to_schema())
