"""Roles: for one event or for all events, granted once and kept after their end."""

import pytest
from psycopg import AsyncConnection

from api.commands.accounts import AUTHOR
from api.database.pool import Pool
from api.errors import UnknownEvent
from api.schemas import BUILT_IN_EVENT
from api.services.accounts.grants import Grant, grant, list_grants, revoke
from tests.integration.services.accounts.conftest import ANN, BOB, SignIn


def kinds(grants: "list[Grant] | tuple[Grant, ...]") -> list[tuple[str, str, str | None]]:
    return [(each.email, each.role, each.event) for each in grants]


async def test_a_role_is_granted_once_for_an_event_and_for_all_events(
    pool: Pool, conn: AsyncConnection, sign_in: SignIn
) -> None:
    account = (await sign_in(ANN)).account.id
    for event in (None, BUILT_IN_EVENT, BUILT_IN_EVENT, None):
        await grant(pool, ANN.upper(), "door", event, author=AUTHOR)
    await grant(pool, BOB, "admin", None, author=AUTHOR)
    own = await list_grants(pool, account)
    assert kinds([*own]) == [(ANN, "door", None), (ANN, "door", BUILT_IN_EVENT)]
    assert kinds([*await list_grants(pool)]) == [*kinds([*own]), (BOB, "admin", None)]
    cursor = await conn.execute("select verified_at is null from accounts where email = %s", [BOB])
    assert await cursor.fetchall() == [(True,)]
    assert (await sign_in(BOB)).account.email == BOB


async def test_an_unknown_event_gets_no_role(pool: Pool, conn: AsyncConnection) -> None:
    with pytest.raises(UnknownEvent):
        await grant(pool, ANN, "door", "unknown", author=AUTHOR)
    assert await (await conn.execute("select email from accounts")).fetchall() == []


async def test_a_revoked_role_stays_in_the_table_and_can_be_granted_again(pool: Pool, conn: AsyncConnection) -> None:
    for _ in range(2):
        await grant(pool, ANN, "door", None, author=AUTHOR)
        (granted,) = await list_grants(pool)
        assert [await revoke(pool, granted.id, author="acct:1") for _ in range(2)] == [True, False]
    assert await list_grants(pool) == []
    cursor = await conn.execute("select granted_by, revoked_by from grants")
    assert await cursor.fetchall() == [(AUTHOR, "acct:1")] * 2


@pytest.mark.parametrize(
    ("role", "event", "includes"),
    [
        ("door", "a", {("door", "a")}),
        ("door", None, {("door", "a"), ("door", "b"), ("door", None)}),
        ("admin", "a", {("door", "a"), ("organiser", "a")}),
        ("admin", None, {(role, event) for role in ("door", "organiser") for event in ("a", "b", None)}),
    ],
)
def test_a_role_includes_its_events_and_admin_the_other_roles(
    role: str, event: str | None, includes: set[tuple[str, str | None]]
) -> None:
    granted = Grant(1, ANN, role, event, None)  # type: ignore[arg-type]
    questions = [(role, event) for role in ("door", "organiser") for event in ("a", "b", None)]
    assert {each for each in questions if granted.includes(*each)} == includes  # type: ignore[arg-type]
