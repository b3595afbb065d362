"""The secrets that sign webhooks, tickets and access to orders."""

import base64
import binascii

import msgspec

SECRET_BYTES_MIN = 24
"""The shortest key that Standard Webhooks allows, in bytes."""


class Secret(msgspec.Struct, frozen=True, kw_only=True):
    """A signing secret, which comes from a setting or from a generated file in `data_dir`."""

    field: str
    """Name of the setting."""
    prefix: str
    file_name: str
    signs: str
    """The signed objects, in the plural, for messages."""

    is_list: bool = False
    """True if the setting may contain several secrets, separated by commas."""

    def fits(self, text: str) -> bool:
        """Return True if a text has the prefix, followed by a long enough key in base64, with or without padding.

        Each secret of a list has to fit, and no secret may occur twice.
        """
        secrets = self.split(text)
        return all(map(self._is_valid, secrets)) and len(set(secrets)) == len(secrets)

    def split(self, text: str) -> list[str]:
        """Return the secrets in a text: one, unless this is a list."""
        return [part.strip() for part in text.split(",")] if self.is_list else [text]

    def _is_valid(self, secret: str) -> bool:
        try:
            return secret.startswith(self.prefix) and len(self.key(secret)) >= SECRET_BYTES_MIN
        except (binascii.Error, ValueError):
            return False

    def key(self, text: str) -> bytes:
        """Return the key in a text.

        Raises:
            ValueError: the text is not base64.
        """
        encoded = text.removeprefix(self.prefix)
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)


WEBHOOK_SECRET = Secret(field="payment_webhook_secret", prefix="whsec_", file_name="webhook-secret", signs="webhooks")
TICKET_SECRET = Secret(field="ticket_secret", prefix="tksec_", file_name="ticket-secret", signs="tickets")
ACCESS_SECRET = Secret(field="access_secret", prefix="acsec_", file_name="access-secret", signs="access to orders")
SESSION_SECRETS = Secret(
    field="session_secrets", prefix="sesec_", file_name="session-secret", signs="sessions", is_list=True
)
