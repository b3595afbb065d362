"""The threads of an API process that write tickets as PDF."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from api.config import Settings
from api.errors import Busy
from api.schemas import Locale
from api.services.mail.facts import Facts
from api.services.mail.pdf import write_tickets


class TicketPrinter:
    """Writes tickets in a limited number of threads, so that the process continues to serve other requests.

    Args:
        settings: `pdf_threads` and `pdf_wait_ms`.
        ticket_secret: the text of `TICKET_SECRET`.
    """

    def __init__(self, settings: Settings, ticket_secret: str) -> None:
        self._threads = ThreadPoolExecutor(settings.pdf_threads, thread_name_prefix="pdf")
        self._wait_s = settings.pdf_wait_ms / 1000
        self._ticket_secret = ticket_secret

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Accept orders until the context ends. The threads then end without their queued orders."""
        try:
            yield
        finally:
            self._threads.shutdown(wait=False, cancel_futures=True)

    async def write(self, facts: Facts, locale: Locale) -> bytes:
        """Return the tickets of an order as PDF.

        Raises:
            Busy: the threads were busy for too long. The order has left their queue.
        """
        written = self._threads.submit(write_tickets, facts, locale, self._ticket_secret)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(written), self._wait_s)
        except TimeoutError:
            raise Busy("overload") from None
