"""The delivery of queued messages: one connection to the mail server sends as many as are due."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage

from api.config import Settings
from api.database.pool import Pool
from api.secret import load_or_create_secret
from api.services.mail import smtp
from api.services.mail.compose import (
    Sender,
    compose,
    compose_links,
    compose_notice,
    compose_sign_in,
    find_sign_in_link,
    is_true,
    list_links,
)
from api.services.mail.facts import find_details_before, find_facts
from api.services.mail.outbox import NOTICES, Claimed, Outcome, claim, has_due, mark
from api.settings.secrets import ACCESS_SECRET, TICKET_SECRET

_log = logging.getLogger(__name__)

RUN_MAX_S = 5.0
"""Time in seconds after which a connection begins no further message, so that a stopping worker ends in time."""
AWAY_PAUSE_S = 1.0
AWAY_PAUSE_MAX_S = 60.0
"""Pauses between attempts to reach a mail server that is away; each is twice as long as the one before."""


ANY_PRIORITY_EVERY = 10
"""Number of claims of which one ignores priorities, so that no message waits forever."""


class Mailer:
    """Sends the messages that are due.

    While the mail server is away, no message is claimed, so that an outage uses up no attempt.

    Args:
        settings: the settings of the mail server and of the web app.
        clock: returns a monotonic time in seconds.
    """

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._sender = Sender(
            settings.sender_address,
            settings.web_url,
            load_or_create_secret(settings, ACCESS_SECRET),
            load_or_create_secret(settings, TICKET_SECRET),
        )
        self._clock = clock
        self._pause_s = AWAY_PAUSE_S
        self._away_until = float("-inf")
        self._claims = 0

    async def send_messages(self, pool: Pool, settings: Settings) -> int:
        """Send messages for a bounded time; return the number of claimed ones."""
        if self._clock() < self._away_until or not await has_due(pool):
            return 0
        claimed = 0
        end = self._clock() + RUN_MAX_S
        try:
            async with smtp.connect(settings.mail_server, self._sender.address) as connection:
                self._pause_s = AWAY_PAUSE_S
                while self._clock() < end and (message := await self._claim(pool)):
                    claimed += 1
                    outcome, error = await self._attempt(pool, connection, message)
                    await mark(pool, message, outcome, error)
        except smtp.MailServerAwayError as error:
            _log.warning("The mail server is away, the next attempt follows in %.0f s: %s", self._pause_s, error)
            self._away_until = self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, AWAY_PAUSE_MAX_S)
        return claimed

    async def _claim(self, pool: Pool) -> Claimed | None:
        """Claim the next message by its priority, and sometimes by its time alone; return None if none is due."""
        self._claims += 1
        return await claim(pool, self._settings, any_priority=self._claims % ANY_PRIORITY_EVERY == 0)

    async def _attempt(self, pool: Pool, connection: smtp.Connection, message: Claimed) -> tuple[Outcome, str | None]:
        """Send a message; return its status and the reason of a failure.

        Raises:
            MailServerAwayError: the connection ended. The message keeps its lease, because the server may have it.
        """
        if message.attempts > self._settings.mail_attempts_max:  # The earlier ones ended without an outcome.
            return self._give_up(message, "no attempt had an outcome")
        try:
            mail = await self._compose(pool, message)
        except ValueError as error:
            return self._give_up(message, str(error))
        return await self._send(connection, message, mail) if mail else ("skipped", None)

    async def _compose(self, pool: Pool, message: Claimed) -> EmailMessage | None:
        """Return the e-mail of a message from the present state; None if the message is no longer true.

        Raises:
            ValueError: an address or another header has characters that no header may have.
        """
        now = datetime.now(UTC)
        if message.kind == "sign_in":
            link_id = await find_sign_in_link(pool, message.id)
            return compose_sign_in(message, link_id, self._sender, now) if link_id else None
        if message.kind in NOTICES:
            return compose_notice(message, self._sender, now)
        if message.order_id is None:
            orders = await list_links(pool, message.recipient)
            return compose_links(message, orders, self._sender, now) if orders else None
        facts = await find_facts(pool, message.order_id)
        before = await find_details_before(pool, message.id) if message.kind == "event_changed" else None
        if facts is None or not is_true(message.kind, facts, before):
            return None
        # The QR codes of ten tickets take 0.1 s, in which the other jobs of the worker continue.
        return await asyncio.to_thread(compose, message, facts, self._sender, now, before)

    async def _send(
        self, connection: smtp.Connection, message: Claimed, mail: EmailMessage
    ) -> tuple[Outcome, str | None]:
        try:
            await connection.send(mail, message.recipient)
        except smtp.RefusedError as error:
            _log.warning("The mail server refuses message %s for good with %d", message.id, error.code)
            return "bounced", str(error)
        except smtp.RefusedForNowError as error:
            if message.is_old or message.attempts == self._settings.mail_attempts_max:
                return self._give_up(message, str(error))
            _log.warning("The mail server refuses message %s for now with %d", message.id, error.code)
            return "queued", str(error)
        return "sent", None

    @staticmethod
    def _give_up(message: Claimed, reason: str) -> tuple[Outcome, str]:
        # The reason may contain the address of the buyer, so that only the table has it.
        _log.error("Message %s is given up after %d attempts", message.id, message.attempts)
        return "dead", reason
