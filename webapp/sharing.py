"""The Redis in which several processes of the web app share their pages' State, if there is one."""

import os
from urllib.parse import urlsplit

import redis

_SCHEMES = {"redis", "rediss", "unix"}
_ANSWER_WITHIN_S = 3.0


class SharingError(Exception):
    """What is to be shared cannot be; the message says why."""


def redis_url() -> str | None:
    """Return the address of the Redis to share; None: there is one process, with its State in memory."""
    return os.environ.get("REDIS_URL", "").strip() or None


def check_redis(url: str) -> None:
    """Find out before anyone is served whether Redis answers.

    Raises:
        SharingError: the address is none of Redis, or nothing there answers as Redis does.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        raise SharingError("REDIS_URL is not allowed: it must begin with redis://, rediss:// or unix://.")
    try:
        with redis.Redis.from_url(
            url, socket_connect_timeout=_ANSWER_WITHIN_S, socket_timeout=_ANSWER_WITHIN_S
        ) as client:
            client.ping()
    except ValueError as error:
        raise SharingError(f"REDIS_URL is not allowed: {error}.") from None
    except (redis.RedisError, OSError) as error:
        # The address may hold a password, so it is not repeated.
        raise SharingError(f"The Redis of REDIS_URL does not answer: {error}") from None
