"""Passkeys in the database: concurrent responses, concurrent additions, and the purge of challenges."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
from psycopg import AsyncConnection

from api.account_schemas import PasskeyRequest, SignInRequest
from api.config import Settings
from api.database.pool import Pool
from api.services.accounts.passkeys import (
    add_passkey,
    begin_adding,
    begin_sign_in,
    list_passkeys,
    sign_in_with_passkey,
)
from api.services.accounts.purges import purge_passkey_challenges
from api.services.accounts.tokens import Identity
from tests.authenticator import Authenticator
from tests.integration.services.accounts.conftest import ANN, SignIn

ORIGIN = "http://localhost:3000"
UNLIMITED = Settings(sign_ins_per_minute=0)


async def created(pool: Pool, identity: Identity, device: Authenticator) -> PasskeyRequest:
    """Return the response of a device that makes a passkey for a new challenge."""
    options = msgspec.to_builtins(await begin_adding(pool, UNLIMITED, identity))
    return msgspec.convert(device.create(options), PasskeyRequest)


async def signed(pool: Pool, device: Authenticator) -> Any:
    """Return the response of a device that signs a new challenge."""
    options = msgspec.to_builtins(await begin_sign_in(pool, UNLIMITED))
    return msgspec.convert(device.sign(options), SignInRequest).passkey


def outcomes(results: list[Any]) -> Counter[str]:
    return Counter(type(result).__name__ for result in results)


async def test_concurrent_responses_to_one_challenge_open_one_session(
    pool: Pool, conn: AsyncConnection, sign_in: SignIn
) -> None:
    identity, device = (await sign_in(ANN)).opened.identity, Authenticator(ORIGIN)
    await add_passkey(pool, UNLIMITED, identity, await created(pool, identity, device))
    response = await signed(pool, device)
    results = await asyncio.gather(
        *[sign_in_with_passkey(pool, UNLIMITED, response) for _ in range(5)], return_exceptions=True
    )
    assert outcomes(results) == {"SignedIn": 1, "Unauthorized": 4}
    ((sessions,),) = await (await conn.execute("select count(*) from account_sessions")).fetchall()
    assert sessions == 2  # The link has opened the other one.


async def test_of_concurrent_responses_with_one_counter_one_signs_in(pool: Pool, sign_in: SignIn) -> None:
    identity, device = (await sign_in(ANN)).opened.identity, Authenticator(ORIGIN, counter=0)
    await add_passkey(pool, UNLIMITED, identity, await created(pool, identity, device))
    responses = []
    for _ in range(5):
        device.counter = 0  # Each copy of the device counts to 1.
        responses.append(await signed(pool, device))
    results = await asyncio.gather(
        *[sign_in_with_passkey(pool, UNLIMITED, response) for response in responses], return_exceptions=True
    )
    assert outcomes(results) == {"SignedIn": 1, "Unauthorized": 4}


async def test_concurrent_additions_respect_the_limit(pool: Pool, sign_in: SignIn) -> None:
    identity, limited = (await sign_in(ANN)).opened.identity, Settings(passkeys_per_account=2)
    requests = [await created(pool, identity, Authenticator(ORIGIN)) for _ in range(5)]
    results = await asyncio.gather(
        *[add_passkey(pool, limited, identity, request) for request in requests], return_exceptions=True
    )
    assert outcomes(results) == {"PasskeyRow": 2, "Forbidden": 3}
    assert len(await list_passkeys(pool, identity.account_id)) == 2


async def test_expired_challenges_are_purged(pool: Pool, conn: AsyncConnection, settings: Settings) -> None:
    for _ in range(3):
        await begin_sign_in(pool, settings)
    assert await purge_passkey_challenges(pool, settings) == 0
    await conn.execute(
        "update passkey_challenges set expires_at = now() - interval '1 s'"
        " where challenge in (select challenge from passkey_challenges limit 2)"
    )
    assert await purge_passkey_challenges(pool, settings) == 2
    assert await purge_passkey_challenges(pool, settings) == 0
