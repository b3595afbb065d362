"""Requests about accounts, with the statuses that a guest gets, for the comparison with the OpenAPI document."""

UNKNOWN = "00000000-0000-4000-8000-000000000000"

ACCOUNT_REQUESTS: list[tuple[str, str, int, bytes | None, str]] = [
    ("POST", "/api/sessions/links", 202, b'{"email": "ann@example.org"}', ""),
    ("POST", "/api/sessions/links", 400, b"{}", ""),
    ("POST", "/api/sessions", 400, b"{}", ""),
    ("POST", "/api/sessions", 400, b'{"method": "password", "email": "ann@example.org"}', ""),
    ("POST", "/api/sessions", 401, b'{"method": "link", "token": "x"}', ""),
    ("POST", "/api/sessions", 401, b'{"method": "password", "email": "ann@example.org", "password": "x"}', ""),
    ("POST", "/api/sessions/refresh", 401, None, ""),
    ("POST", "/api/sessions/access", 401, None, ""),
    ("DELETE", "/api/sessions/current", 401, None, ""),
    ("DELETE", "/api/sessions", 401, None, ""),
    ("GET", "/api/me", 401, None, ""),
    ("GET", "/api/me/orders", 401, None, ""),
    ("PUT", "/api/me/password", 401, b"{}", ""),
    ("POST", "/api/sessions/passkeys", 200, None, ""),
    ("POST", "/api/sessions", 400, b'{"method": "passkey", "passkey": {"id": "!"}}', ""),
    ("GET", "/api/me/passkeys", 401, None, ""),
    ("POST", "/api/me/passkeys", 401, b"{}", ""),
    ("POST", "/api/me/passkeys/challenges", 401, None, ""),
    ("PUT", f"/api/me/passkeys/{UNKNOWN}", 401, b"{}", "/api/me/passkeys/{passkey_id}"),
    ("DELETE", f"/api/me/passkeys/{UNKNOWN}", 401, None, "/api/me/passkeys/{passkey_id}"),
    ("GET", "/api/desk/grants", 401, None, ""),
    ("GET", "/api/desk/events/e/orders?search=x", 401, None, "/api/desk/events/{slug}/orders"),
    ("POST", "/api/desk/grants", 401, b"{}", ""),
    ("DELETE", "/api/desk/grants/1", 401, None, "/api/desk/grants/{grant_id}"),
]
"""Method, path, status, body, and the documented path if it differs from the path."""
