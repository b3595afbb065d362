"""Each route responds to each role as `matrix.toml` says."""

import tomllib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from api.commands.seed import parse_inventory, seed
from api.http import identity
from api.schemas import BUILT_IN_EVENT
from api.services.access import Access
from api.services.accounts.grants import ROLES as ALL_ROLES
from api.services.accounts.grants import grant
from tests.acceptance.access.accounts import ORIGIN, Api, new_secret, running_api

pytestmark = pytest.mark.xdist_group("access")

MATRIX: Mapping[str, Mapping[str, int | str]] = tomllib.loads(Path(__file__).with_name("matrix.toml").read_text())
STAFF = ("box_office", "organiser", "door", "event_admin", "admin")
ROLES = ("guest", "holder", "owner", "other", "elsewhere", *STAFF)
ELSEWHERE = "elsewhere"
"""The slug of another event, for which the role of this name has all roles of staff."""
NOT_SERVED = {401, 403, 404, 429, *range(500, 600)}
"""The statuses that "served" excludes in the matrix. The document lists a failure of the server for every route."""
PASSKEY = "0b8ff5b4-5a63-4c0a-8f0e-3d2c9a1b7e64"
"""The id of the owner's passkey."""
PARAMETERS = {"slug": BUILT_IN_EVENT, "file": "1.svg", "grant_id": "999999", "passkey_id": PASSKEY}
QUERY = {"userId": "user-123", "tier": "VIP", "quantity": "1", "search": "user-123"}
"""The parameters of all routes; each ignores those of the others."""
LAST = (
    "POST /api/bookings/{reference}/returns",
    "POST /api/bookings/{reference}/cancel",
    "POST /api/bookings/{reference}/links/revoke",
    "DELETE /api/me/passkeys/{passkey_id}",
)
"""The routes that end an order, its secret or a passkey, after which others would not find it."""


def email_of(role: str) -> str:
    return f"{role}@example.org"


@pytest.fixture
async def api(database_url: str, tmp_path: Path) -> AsyncIterator[Api]:
    """An API in which each member of staff has a role, and one has all roles for another event."""
    seed(database_url, event=ELSEWHERE, inventory=parse_inventory("GA=5"))
    async with running_api(database_url, tmp_path) as api:
        for role in STAFF:
            event = None if role == "admin" else BUILT_IN_EVENT
            granted = role.removeprefix("event_")
            await grant(api.state.pool, email_of(role), granted, event, author="test")  # type: ignore[arg-type]
        for granted in ALL_ROLES:
            await grant(api.state.pool, email_of("elsewhere"), granted, ELSEWHERE, author="test")
        yield api


def operations(api: Api) -> list[str]:
    """Return the documented operations; those of `LAST` come last."""
    found = [f"{method.upper()} {path}" for path, methods in api.document["paths"].items() for method in methods]
    return sorted(found, key=lambda operation: (operation in LAST and 1 + LAST.index(operation), operation))


def body_of(operation: str, order: dict[str, Any]) -> dict[str, Any]:
    """Return a valid body, except for the sign-in, whose body is empty."""
    buyer = {"userId": order["bookings"][0]["userId"]}
    email = {"email": "ann@example.org"}
    bodies: dict[str, dict[str, Any]] = {
        "POST /api/bookings": {"tier": "GA", "quantity": 1, "userId": "user-123"},
        "POST /api/bookings/{reference}/cancel": buyer,
        "POST /api/bookings/{reference}/returns": {**buyer, "bookings": [order["bookings"][0]["id"]]},
        "POST /api/bookings/{reference}/email": email,
        "POST /api/links": email,
        "POST /api/sessions/links": email,
        "PUT /api/me/password": {"password": "correct horse"},
        "PUT /api/me/passkeys/{passkey_id}": {"name": "phone"},
        "POST /api/desk/grants": {**email, "role": "door"},
    }
    return bodies.get(operation, {})


async def add_passkey(api: Api, account_id: int) -> None:
    """Give an account the passkey `PASSKEY`."""
    async with api.state.pool.connection() as connection:
        await connection.execute(
            "insert into passkeys (id, account_id, credential_id, public_key, sign_count, transports, name)"
            " values (%s, %s, 'c', 'k', 0, '{}', 'n')",
            [PASSKEY, account_id],
        )


async def headers_of(api: Api, role: str, secret: dict[str, str], *, cookie: bool) -> dict[str, str]:
    """Return the headers of a request, with a new session of the role's account."""
    if role in ("guest", "holder"):
        return secret if role == "holder" else {}
    opened = await api.open_session(email_of(role))
    if cookie:
        return {"Cookie": f"session={opened.token.text}", "Origin": ORIGIN}
    return api.bearer(opened)


async def responses_to(api: Api, role: str) -> dict[str, int]:
    """Return the status of each operation in the requests of a role, about an order of another buyer or its own."""
    secret = new_secret()
    owner = await api.open_session(email_of("owner"))
    order = await api.book({**secret, **api.bearer(owner)}, quantity=2)
    await add_passkey(api, owner.identity.account_id)
    found = {}
    for operation in operations(api):
        method, _, template = operation.partition(" ")
        path = template.format_map(PARAMETERS | {"reference": order["reference"]})
        headers = await headers_of(api, role, secret, cookie=operation.endswith(("/refresh", "/access")))
        body = None if method == "GET" else body_of(operation, order)
        response = await api.client.request(method, path, params=QUERY, headers=headers, json=body)
        found[operation] = response.status_code
        documented = api.document["paths"][template][method.lower()]["responses"]
        assert str(response.status_code) in documented, operation
        if method == "GET":
            head = await api.client.head(path, params=QUERY, headers=headers)
            assert head.status_code == response.status_code, operation
    return found


def differences(role: str, found: Mapping[str, int]) -> dict[str, tuple[int | str, int]]:
    """Return the operations whose status differs from the matrix, with both."""
    expected = {operation: row.get(role, row["all"]) for operation, row in MATRIX.items()}
    return {
        operation: (expected[operation], status)
        for operation, status in found.items()
        if (status in NOT_SERVED if expected[operation] == "served" else status != expected[operation])
    }


async def test_the_matrix_lists_every_route_and_no_other(api: Api) -> None:
    assert MATRIX.keys() == set(operations(api))
    assert all(row.keys() <= {*ROLES, "all"} for row in MATRIX.values())


@pytest.mark.parametrize("role", ROLES)
async def test_each_route_responds_to_the_role_as_the_matrix_says(api: Api, role: str) -> None:
    assert differences(role, await responses_to(api, role)) == {}


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_served_route_neither_refuses_the_role_nor_fails(status: int) -> None:
    assert differences("guest", {"GET /api/events": status}) == {"GET /api/events": ("served", status)}
    assert differences("guest", {"GET /api/events": 200}) == {}


async def test_a_route_without_its_guard_differs_from_the_matrix(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: the comparison notices that roles and access are not checked."""
    monkeypatch.setattr(identity, "Forbidden", lambda *_: None)
    monkeypatch.setattr(Access, "admits", lambda _access, _order: True)

    async def everything(*_: object) -> list[object]:
        return [type("Anything", (), {"includes": lambda *_: True})()]

    monkeypatch.setattr(identity, "list_grants", everything)
    found = differences("other", await responses_to(api, "other"))
    assert found["GET /api/bookings/{reference}"] == (404, 200)
    assert found["GET /api/desk/grants"] == (403, 200)
    assert found["GET /api/desk/events/{slug}/orders"] == (403, 200)
