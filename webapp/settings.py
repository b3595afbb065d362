"""The web app's settings, from the environment."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self


class SettingError(Exception):
    """A variable has a value that is not allowed; the message names both."""


@dataclass(frozen=True)
class PageSettings:
    """The settings that the pages carry."""

    api_url: str
    """The API's public address, without a slash at the end."""
    tickets_max: int
    """Tickets of one booking."""

    @classmethod
    def from_env(cls) -> Self:
        """Read the settings.

        Raises:
            SettingError: a value is not allowed.
        """
        return cls(_api_url(), _number("MAX_TICKETS_PER_BOOKING", 10, 1000))


def address() -> tuple[str, int]:
    """Return the host and port to listen on.

    Raises:
        SettingError: the port is not allowed.
    """
    return os.environ.get("API_HOST", "").strip() or "127.0.0.1", _number("WEB_PORT", 3000, 65535)


def runtime_dir(port: int) -> Path:
    """Return the directory for the files of the server on a port.

    It is in `DATA_DIR`, because other programs delete old files of the directory for temporary files.
    """
    return Path(os.environ.get("DATA_DIR", "").strip() or ".data").resolve() / "run" / f"web-{port}"


def _number(variable: str, default: int, most: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
        return int(text)
    raise SettingError(f"{variable}={text!r} is not allowed: it must be a whole number from 1 to {most}.")


def _api_url() -> str:
    url = os.environ.get("PUBLIC_API_URL", "").strip().rstrip("/")
    if not url:
        return f"http://localhost:{_number('API_PORT', 3001, 65535)}"
    if not re.fullmatch(r"https?://[^/\s;,'\"]+(/[^\s;,'\"]*)?", url):
        raise SettingError(f"PUBLIC_API_URL={url!r} is not allowed: it must be an http or https address.")
    return url
