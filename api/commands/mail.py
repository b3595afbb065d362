"""`python -m api mail`: lists the messages about orders that reached nobody, and sends them again."""

from collections.abc import Callable

from api.config import Settings
from api.database.errors import CommitUnknownError
from api.database.pool import open_pool
from api.errors import ConfigError, SetupError, UnknownEvent
from api.services.mail import undelivered
from api.services.mail.undelivered import Selection, Undelivered
from api.services.short_reference import grouped, short_reference


async def report(conninfo: str, settings: Settings, selection: Selection, write: Callable[[str], None]) -> int:
    """Write a line for each message that reached nobody; return their number.

    Raises:
        ConfigError: there is no such event.
    """
    found = 0
    try:
        async with open_pool(conninfo, settings) as pool:
            async for message in undelivered.list_undelivered(pool, selection):
                write(_line(message))
                found += 1
    except UnknownEvent as error:
        raise ConfigError(error.message) from None
    return found


async def resend(conninfo: str, settings: Settings, selection: Selection) -> int:
    """Queue these messages again; return their number.

    Raises:
        ConfigError: there is no such event.
        SetupError: the outcome is unknown.
    """
    try:
        async with open_pool(conninfo, settings) as pool:
            return await undelivered.resend(pool, settings, selection)
    except UnknownEvent as error:
        raise ConfigError(error.message) from None
    except CommitUnknownError as error:
        raise SetupError(f"The outcome is unknown, and the command can be repeated: {error}") from error


def _line(message: Undelivered) -> str:
    values = (
        grouped(short_reference(message.order_id)),
        message.event,
        message.recipient,
        message.kind,
        message.status,
        f"{message.created_at:%Y-%m-%d %H:%M:%S%z}",
        " ".join((message.last_error or "").split()),
    )
    return "  ".join(values).rstrip()
