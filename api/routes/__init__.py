"""Routes: each decodes a request, calls one service and encodes the result."""
