"""TLS settings of HTTP clients."""

import ssl

PLAIN_HTTP = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Settings without certificates. By default each client loads all certificates of the system, which takes 20 ms."""


def tls_for(url: str) -> ssl.SSLContext | bool:
    """Return the settings of a client for one server: without certificates if its URL begins with `http:`."""
    return PLAIN_HTTP if url.startswith("http:") else True
