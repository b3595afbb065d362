"""The threads that write tickets: their number is limited, and nobody waits for them without end."""

import asyncio
import threading

import pytest

from api.config import Settings
from api.errors import Busy
from api.services.mail.printer import TicketPrinter
from tests.unit.services.mail.test_compose import SENDER, facts


async def test_a_busy_printer_refuses_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    started, release = threading.Event(), threading.Event()
    locales: list[str] = []

    def write(_facts: object, locale: str, _secret: str) -> bytes:
        locales.append(locale)
        started.set()
        release.wait()
        return locale.encode()

    monkeypatch.setattr("api.services.mail.printer.write_tickets", write)
    waiting = TicketPrinter(Settings(pdf_threads=1, pdf_wait_ms=60_000), SENDER.ticket_secret)
    hurried = TicketPrinter(Settings(pdf_threads=1, pdf_wait_ms=100), SENDER.ticket_secret)
    async with waiting.running(), hurried.running():
        first = asyncio.create_task(waiting.write(facts(), "en"))
        second = asyncio.create_task(waiting.write(facts(), "de"))
        await asyncio.to_thread(started.wait)
        assert locales == ["en"]  # The only thread is busy.
        with pytest.raises(Busy):
            await hurried.write(facts(), "ar")
        release.set()
        assert [await first, await second] == [b"en", b"de"]
        assert await hurried.write(facts(), "ar") == b"ar"
