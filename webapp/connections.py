"""Which of several processes of the web app has whose connection, as they tell each other in Redis."""

import asyncio
import contextlib

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError
from reflex.utils.token_manager import RedisTokenManager

# A browser whose connection is cut comes back at once, perhaps before the process that had it knows of the cut.
_NOTICING_S = (0.05, 0.1, 0.2, 0.4)


class Connections(RedisTokenManager):
    """Reflex's register of whose connection is where, which forgets what a dead process has left in it.

    Reflex takes a tab that comes back while it is still registered for a duplicate, and gives it a new and empty
    State. After a crash that would be every tab of the process that is gone, for an hour. So each process holds a
    subscription in Redis, which ends with it, and an entry whose process has none is removed.
    """

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._alive: PubSub | None = None
        self._becoming_alive = asyncio.Lock()
        self._listening: asyncio.Task[None] | None = None

    async def link_token_to_sid(self, token: str, sid: str) -> str | None:
        """Register a connection; returns a new token for a tab that is a duplicate of another one."""
        try:
            await self._be_alive()
            await self._forget_dead(token)
        except (RedisError, OSError):
            # Without Redis it is decided by what this process knows.
            pass
        return await super().link_token_to_sid(token, sid)

    async def close(self) -> None:
        """End the subscription, and what Reflex holds."""
        if self._listening is not None:
            self._listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._listening
        if self._alive is not None:
            await self._alive.aclose()  # type: ignore[no-untyped-call]
        await super().close()

    async def _be_alive(self) -> None:
        async with self._becoming_alive:
            if self._alive is None:
                alive = self.redis.pubsub()
                await alive.subscribe(_channel(self.instance_id))
                self._alive = alive
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(_listen(self._alive))

    async def _forget_dead(self, token: str) -> None:
        """Remove a dead process's entry; a living one gets a moment to notice that its connection is cut."""
        for wait_s in (0.0, *_NOTICING_S):
            await asyncio.sleep(wait_s)
            owner = await self._get_token_owner(token, refresh=True)
            if owner is None:
                return
            ((_, processes),) = await self.redis.pubsub_numsub(_channel(owner))
            if processes == 0:
                await self.redis.delete(self._get_redis_key(token))
                record = self.token_to_socket.pop(token, None)
                if record is not None:
                    self.sid_to_token.pop(record.sid, None)
                return


async def _listen(alive: PubSub) -> None:
    """Read the subscription, on which nothing is ever said: reading is what subscribes again after a cut.

    It ends when Redis stays away; the next connection begins it anew.
    """
    with contextlib.suppress(RedisError, OSError):
        async for _ in alive.listen():
            pass


def _channel(instance_id: str) -> str:
    return f"webapp_alive_{instance_id}"
