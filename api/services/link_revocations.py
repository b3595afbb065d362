"""Revocations: the holder of an order makes its links and its former secret invalid."""

import secrets

import msgspec
from psycopg import IsolationLevel

from api.database import queries
from api.database.pool import Pool
from api.database.session import Statement, open_session
from api.errors import NotFound, SecretUnchanged
from api.services.access import Access, digest
from api.services.orders import lock

_SECRET_BYTES = 32


class Revocation(msgspec.Struct, frozen=True):
    """The new secret of an order, and the generation of its further links."""

    secret: str
    generation: int


async def revoke_links(pool: Pool, reference: str, access: Access, secret: str | None) -> Revocation:
    """Replace the secret of an order, so that its links and its former secret give no access.

    A client that sends the new secret can repeat a request without a response. The repeat changes nothing, although the
    former secret gives no access any more.

    Raises:
        psycopg.Error: nothing changed.
        CommitUnknownError: the order may have its new secret. A repeat with the same new secret is safe.
        NotFound: no order that the request may access has this reference.
        SecretUnchanged: the new secret is the present one.
    """
    wanted = secret or secrets.token_urlsafe(_SECRET_BYTES)
    async with open_session(pool) as session, session.transaction(IsolationLevel.READ_COMMITTED):
        locked = await session.run(lock([reference]))
        is_present = bool(locked) and locked[0].access_digest == digest(wanted)
        if not locked or not (is_present or access.admits(locked[0])):
            raise NotFound(f"booking {reference}")
        order = locked[0]
        if is_present:
            if order.link_generation == 0 or digest(wanted) in access.digests:
                raise SecretUnchanged
            return Revocation(wanted, order.link_generation)
        parameters = {"order_id": order.id, "access_digest": digest(wanted)}
        ((generation,),) = await session.run(Statement(queries.orders.revoke_links, parameters))
    return Revocation(wanted, generation)
