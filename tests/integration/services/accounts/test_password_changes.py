"""Changes of a password that commit while another request hashes a password."""

from collections.abc import Awaitable, Callable

import pytest
from argon2 import PasswordHasher
from psycopg import AsyncConnection

from api.config import Settings
from api.database.pool import Pool
from api.errors import Forbidden, Unauthorized
from api.services.accounts.passwords import Passwords
from api.services.accounts.sessions import sign_out_everywhere
from api.services.accounts.sign_in import change_password, sign_in_with_password
from tests.integration.services.accounts.conftest import ANN, SignIn

OLD, NEW = "correct horse", "battery staple"
UNLIMITED = Settings(sign_ins_per_minute=0)


class InterruptedPasswords(Passwords):
    """Passwords with a function that runs once, before the result of the next hash."""

    def __init__(self, meanwhile: Callable[[], Awaitable[None]]) -> None:
        super().__init__(60)
        self._meanwhile: Callable[[], Awaitable[None]] | None = meanwhile

    async def verify(self, stored: str | None, password: str) -> bool:
        await self._interrupt()
        return await super().verify(stored, password)

    async def hash(self, password: str) -> str:
        await self._interrupt()
        return await super().hash(password)

    async def _interrupt(self) -> None:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()


@pytest.mark.parametrize("hasher", [PasswordHasher(2, 19_456, 1), PasswordHasher(1, 8, 1)], ids=["present", "outdated"])
async def test_an_old_password_opens_no_session_after_its_change(
    pool: Pool, conn: AsyncConnection, sign_in: SignIn, hasher: PasswordHasher
) -> None:
    present = (await sign_in(ANN)).opened.identity
    passwords = Passwords(60)
    await change_password(pool, UNLIMITED, passwords, present, OLD)
    await conn.execute("update accounts set password_hash = %s", [hasher.hash(OLD)])

    async def change() -> None:
        await change_password(pool, UNLIMITED, passwords, present, NEW)

    with pytest.raises(Unauthorized):
        await sign_in_with_password(pool, UNLIMITED, InterruptedPasswords(change), ANN, OLD)
    cursor = await conn.execute("select id::text from account_sessions where revoked_at is null")
    assert await cursor.fetchall() == [(present.session_id,)]
    await sign_in_with_password(pool, UNLIMITED, passwords, ANN, NEW)


async def test_a_session_that_ends_during_the_hash_changes_no_password(
    pool: Pool, conn: AsyncConnection, sign_in: SignIn
) -> None:
    present = (await sign_in(ANN)).opened.identity

    async def leave() -> None:
        await sign_out_everywhere(pool, present.account_id)

    with pytest.raises(Forbidden):
        await change_password(pool, UNLIMITED, InterruptedPasswords(leave), present, NEW)
    assert await (await conn.execute("select password_hash from accounts")).fetchall() == [(None,)]
