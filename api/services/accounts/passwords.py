"""Passwords: Argon2id in one thread of each process, so that many sign-ins leave the processors to bookings."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from api.errors import Busy

T = TypeVar("T")

WAITING_MAX = 32
"""The most passwords that are hashed or wait for that in one process. The next one gets 503 `busy`."""
UNKNOWN = "$argon2id$v=19$m=19456,t=2,p=1$hw3xkucW/WLtB6OewEClRQ$emdFbOUw4Va7OKouz4gDyoKPxOcrIs64KbbT9xz/LsM"
"""The hash of a random text. An unknown account costs the same time as a known one."""


class Passwords:
    """Hashes and verifies passwords, one at a time.

    Args:
        wait_s: the longest time of a request for a hash, in seconds, its wait included.
    """

    def __init__(self, wait_s: float) -> None:
        # The parameters of OWASP's password storage cheat sheet: 19 MiB, two passes.
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
        self._wait_s = wait_s
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """Return the hash of a password with its parameters.

        Raises:
            Busy: too many requests wait, or this one has waited for too long.
        """
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return whether a password has the stored hash. None stands for an account without a password.

        Raises:
            Busy: too many requests wait, or this one has waited for too long.
        """
        return await self._run(lambda: self._matches(stored or UNKNOWN, password)) and stored is not None

    def close(self) -> None:
        """Cancel the waiting hashes, so that the process ends without them."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def is_outdated(self, stored: str) -> bool:
        """Return whether a hash was made with other parameters than the present ones."""
        return self._hasher.check_needs_rehash(stored)

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING_MAX:
            raise Busy("sign_ins")
        self._waiting += 1
        try:
            # After the timeout a waiting work is cancelled.
            return await asyncio.wait_for(asyncio.get_running_loop().run_in_executor(self._thread, work), self._wait_s)
        except TimeoutError:
            raise Busy("sign_ins") from None
        finally:
            self._waiting -= 1
