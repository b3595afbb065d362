"""The secret that signs webhooks: the one that was given, else one that is made once and kept in `DATA_DIR`."""

import base64
import fcntl
import os
import secrets

from api.config import WEBHOOK_SECRET_BYTES_MIN, WEBHOOK_SECRET_PREFIX, Settings, is_webhook_secret
from api.errors import SetupError

FILE_NAME = "webhook-secret"


def webhook_secret(settings: Settings) -> str:
    """Return the secret that API and payment simulator share; the first of them that asks makes it.

    Raises:
        SetupError: the file cannot be used; the message says what to do, and does not show the secret.
    """
    if settings.payment_webhook_secret:
        return settings.payment_webhook_secret
    path = settings.data_dir / FILE_NAME
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        # Read by its owner only from its first moment on.
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            # Of processes that start at once the first writes and the others read: the lock ends with its holder.
            fcntl.flock(file, fcntl.LOCK_EX)
            secret = file.read().strip()
            if not secret:  # new, or whoever made it ended before it wrote
                secret = _new_secret()
                file.write(f"{secret}\n")
                file.flush()
                os.fsync(file.fileno())
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"The secret of webhooks in {path} cannot be read or made: {error}") from error
    if not is_webhook_secret(secret):
        raise SetupError(f"What stands in {path} is no secret of webhooks: remove the file, and a new one is made.")
    return secret


def _new_secret() -> str:
    return WEBHOOK_SECRET_PREFIX + base64.b64encode(secrets.token_bytes(WEBHOOK_SECRET_BYTES_MIN)).decode()
