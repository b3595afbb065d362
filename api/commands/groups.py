"""Groups of background jobs: a worker runs all of them, or some in a process of their own."""

from typing import Literal, get_args

from api.errors import ConfigError

Group = Literal["core", "payments", "mail"]
"""`core`: the heartbeat, the ends of holds, the inbox of webhooks and the purges. `payments`: open payments,
refunds and orders of cancelled events.

`mail`: the outbox of e-mails.
"""
GROUPS: tuple[Group, ...] = get_args(Group)


def parse_groups(text: str) -> tuple[Group, ...]:
    """Return the groups of a list that is separated by commas, each once.

    Raises:
        ConfigError: a name is no group.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    if unknown := [name for name in names if name not in GROUPS]:
        raise ConfigError(f"unknown group {unknown[0]!r}, not one of {', '.join(GROUPS)}")
    return tuple(group for group in GROUPS if group in names)
