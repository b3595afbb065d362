"""The secrets that sign webhooks and tickets: those that were given, else made once and kept in `DATA_DIR`."""

import base64
import fcntl
import os
import secrets

from api.config import SECRET_BYTES_MIN, Secret, Settings
from api.errors import SetupError


def load_or_create_secret(settings: Settings, secret: Secret) -> str:
    """Return a secret that all processes share; the first of them that asks makes it.

    Raises:
        SetupError: the file cannot be used; the message says what to do, and does not show the secret.
    """
    given: str = getattr(settings, secret.field)
    if given:
        return given
    path = settings.data_dir / secret.file_name
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        # Read by its owner only from its first moment on.
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            # Of processes that start at once the first writes and the others read: the lock ends with its holder.
            fcntl.flock(file, fcntl.LOCK_EX)
            text = file.read().strip()
            if not text:  # new, or whoever made it ended before it wrote
                text = _new(secret)
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"The secret of {secret.signs} in {path} cannot be read or made: {error}") from error
    if not secret.fits(text):
        raise SetupError(
            f"What stands in {path} is no secret of {secret.signs}: remove the file, and a new one is made."
        )
    return text


def _new(secret: Secret) -> str:
    return secret.prefix + base64.b64encode(secrets.token_bytes(SECRET_BYTES_MIN)).decode()
