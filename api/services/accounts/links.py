"""Links in e-mails with which the owner of an address signs in once.

The token of a link is derived from its id, so that no copy of the database gives access.
"""

import base64
import hashlib
import hmac
from uuid import UUID

from api.settings.secrets import ACCESS_SECRET

_PURPOSE = b"sign-in link\0"
_VERSION = "S1"


def sign_in_token(key: str, link_id: str) -> str:
    """Return the token of a link; `key` is the text of `ACCESS_SECRET`, and `link_id` a UUID."""
    mac = hmac.digest(ACCESS_SECRET.key(key), _PURPOSE + link_id.encode(), hashlib.sha256)
    return f"{_VERSION}.{link_id}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def read_token(key: str, token: str) -> str | None:
    """Return the id of the link with a token; None if the token is not valid."""
    _, _, rest = token.partition(".")
    try:
        link_id = str(UUID(rest.partition(".")[0]))
    except ValueError:
        return None
    return link_id if hmac.compare_digest(sign_in_token(key, link_id).encode(), token.encode()) else None
