"""The secret that signs webhooks: set from outside, or made once and kept beside the data."""

import base64
import contextlib
import os
import secrets
import tempfile
from pathlib import Path

from api.config import Settings

_FILE = "webhook-secret"
_BYTES = 32


def webhook_secret(settings: Settings) -> str:
    """Return the secret (`whsec_` and base64) of these settings; of processes that start at once all get the same."""
    if settings.payment_webhook_secret:
        return settings.payment_webhook_secret
    path = settings.data_dir / _FILE
    if not path.exists():
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        _make(path)
    return path.read_text(encoding="ascii").strip()


def _make(path: Path) -> None:
    """Make the file whole or not at all, readable by its owner only; the first of several processes wins."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{_FILE}-")  # with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"whsec_{base64.b64encode(secrets.token_bytes(_BYTES)).decode()}\n")
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()
