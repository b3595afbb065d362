"""Requests and responses of the load generator as bytes."""

from api.commands.bench.plan import Kind

RESPONSE_BYTES_MAX = 1_000_000
NUMBER = "{number}"
"""Placeholder in a body for the request's number, so that each booking has another buyer."""
NUMBER_DIGITS = 8
"""Digits of a number; they keep the body's length constant."""


class Request:
    """A kind of request as bytes, which are complete except for the number."""

    def __init__(self, kind: Kind, host: str, port: int) -> None:
        length = len(kind.body.replace(NUMBER, "0" * NUMBER_DIGITS).encode())
        content = f"Content-Type: application/json\r\nContent-Length: {length}\r\n" if kind.body else ""
        head = f"{kind.method} {kind.path} HTTP/1.1\r\nHost: {host}:{port}\r\n{content}\r\n"
        self._parts = f"{head}{kind.body}".encode().split(NUMBER.encode())
        self._number = 0

    def next(self) -> bytes:
        """Return the next request."""
        self._number += 1
        return str(self._number).zfill(NUMBER_DIGITS).encode().join(self._parts)


class UnreadableError(Exception):
    """A response is not the subset of HTTP that the generator reads."""


class ResponseReader:
    """Parser for the responses of one connection, fed with data of any length."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> tuple[int, bytes] | None:
        """Append data; return the status and the body if they complete a response.

        Raises:
            UnreadableError: the data is no HTTP/1.1 response with a length, or more than one response.
        """
        if self._held:
            data = self._held + data
        head_end = data.find(b"\r\n\r\n")
        if head_end < 0:
            self._hold(data)
            return None
        status, length = _read_head(data[: head_end + 2])
        end = head_end + 4 + length
        if len(data) < end:
            self._hold(data)
            return None
        if len(data) > end:
            raise UnreadableError("bytes after the end of the response")
        self._held = b""
        return status, data[head_end + 4 :]

    def _hold(self, data: bytes) -> None:
        if len(data) > RESPONSE_BYTES_MAX:
            raise UnreadableError("the response is too long")
        self._held = data


def _read_head(head: bytes) -> tuple[int, int]:
    """Return a response's status and the length of its body."""
    if not head.startswith(b"HTTP/1.1 ") or not head[9:12].isdigit():
        raise UnreadableError("not an HTTP/1.1 response")
    status = int(head[9:12])
    if status in (204, 304):
        return status, 0
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    value = rest.partition(b"\r\n")[0].strip()
    if not found or not value.isdigit():
        raise UnreadableError("no Content-Length")
    return status, int(value)


def outcome_of(status: int, body: bytes) -> str:
    """Return the outcome of a response: its status, with the code of a refusal."""
    if status < 400:
        return str(status)
    _, _, rest = body.partition(b'"code":"')
    code = rest.partition(b'"')[0].decode(errors="replace")
    return f"{status} {code}".strip()
