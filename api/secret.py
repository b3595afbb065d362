"""The secrets that sign webhooks and tickets: from the settings, or generated once and kept in `DATA_DIR`."""

import base64
import fcntl
import os
import secrets

from api.config import Settings
from api.data_dir import open_private, prepare
from api.errors import SetupError
from api.settings.secrets import SECRET_BYTES_MIN, Secret


def load_or_create_secret(settings: Settings, secret: Secret) -> str:
    """Return a secret that all processes share; the first process generates it.

    Raises:
        SetupError: the file cannot be used; the message names the remedy and omits the secret.
    """
    configured: str = getattr(settings, secret.field)
    if configured:
        return configured
    path = settings.data_dir / secret.file_name
    try:
        prepare(settings.data_dir)
        # The file is private to its owner from its creation on.
        with os.fdopen(open_private(path, os.O_RDWR), "r+") as file:
            # The first of several concurrent processes writes, the others read. A crash releases the lock.
            fcntl.flock(file, fcntl.LOCK_EX)
            text = file.read().strip()
            if not text:  # The file is new, or its creator ended before it wrote.
                text = _generate(secret)
                file.write(f"{text}\n")
                file.flush()
                os.fsync(file.fileno())
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"The secret of {secret.signs} in {path} cannot be read or created: {error}") from error
    if not secret.fits(text):
        raise SetupError(
            f"The file {path} contains no valid secret of {secret.signs}: remove it to generate a new one."
        )
    return text


def _generate(secret: Secret) -> str:
    return secret.prefix + base64.b64encode(secrets.token_bytes(SECRET_BYTES_MIN)).decode()
