"""Simple requests to the hot endpoints, served below ASGI.

The server reads most requests in one piece. It then needs neither an ASGI scope nor messages, and a response from
memory needs no task. `api/fast_path.py` decides which requests are simple, and makes their responses. Every other
request, and one whose body arrives later, takes the usual way to the ASGI application.
"""

import logging
import time
from http import HTTPStatus
from typing import Any

import msgspec

from api.fast_path import FastPath, SimpleRequest, count
from api.http.responses import RawResponse
from api.server.uvicorn_patch import LimitedProtocol, PendingResponse

_log = logging.getLogger(__name__)

AT_ONCE_MAX = 16
"""Requests in one part of a connection's data that are served at once. Other connections come before the later ones."""
_STATUS_LINES = {status.value: b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}


class FastProtocol(LimitedProtocol):
    """A connection that serves simple requests itself."""

    def __init__(self, *arguments: Any, fast_path: FastPath, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._fast_path = fast_path
        self._request: SimpleRequest | None = None
        """The simple request whose headers have arrived."""
        self._body = b""
        self._served = 0
        """Requests in the present part of the data that were served at once."""

    def data_received(self, data: bytes) -> None:
        """Serve the simple requests in a part of the connection's data."""
        self._served = 0
        super().data_received(data)
        if self._request and not self.transport.is_closing():
            self._leave_to_asgi()

    def on_headers_complete(self) -> None:
        """Keep a simple request until its body is complete; begin any other."""
        self._request = self._find_request() if self._served < AT_ONCE_MAX and self.is_free() else None
        if self._request:
            self.end_part()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Collect the body of a simple request."""
        if self._request:
            self.end_part()
            self._body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Serve a simple request."""
        if self._request is None:
            super().on_message_complete()
            return
        request: SimpleRequest | None = self._request
        if not self._request.route.cache:
            request = self._fast_path.with_body(self._request, self._body)
        if request is None:
            self._leave_to_asgi()
            super().on_message_complete()
            return
        self._request, self._body = None, b""
        self.end_part()
        try:
            self._serve(msgspec.structs.replace(request, address=self._find_address()))
        except Exception:  # noqa: BLE001 - the parser would report the error as a malformed request
            _log.exception("The response to %s %s failed", request.route.method, request.route.template)
            self.transport.close()

    def _find_request(self) -> SimpleRequest | None:
        path, _, query = self.url.partition(b"?")
        return self._fast_path.find_request(self.parser.get_method(), path, query, self.headers)

    def _find_address(self) -> str:
        return self._fast_path.client_address(self.client[0] if self.client else "", self.headers)

    def _leave_to_asgi(self) -> None:
        """Begin a request that has turned out not to be simple, as if its headers had just arrived."""
        body, self._request, self._body = self._body, None, b""
        super().on_headers_complete()
        if body:
            super().on_body(body)

    def _serve(self, request: SimpleRequest) -> None:
        self._served += 1
        started_at = time.perf_counter()
        if response := self._fast_path.refuse(request) or self._fast_path.respond_now(request):
            self.transport.write_at_once(self._encode(request, response))
            self.await_headers()
            count(request, response, started_at)
            return
        self.run_response(self._respond(request, self.begin_response(), started_at))

    async def _respond(self, request: SimpleRequest, pending: PendingResponse, started_at: float) -> None:
        try:
            response = await self._fast_path.respond(request)
            self.end_response(pending, self._encode(request, response, keep_alive=pending.keep_alive))
            count(request, response, started_at)
        except Exception:  # noqa: BLE001 - no other code awaits the task
            _log.exception("The response to %s %s failed", request.route.method, request.route.template)
        finally:
            if not pending.response_complete:  # The server also cancels a response that exceeds the time of its stop.
                self.abandon_response(pending)

    def _encode(self, request: SimpleRequest, response: RawResponse, *, keep_alive: bool = True) -> bytes:
        headers = [*self.server_state.default_headers, *self._fast_path.headers_of(request, response)]
        if not keep_alive:
            headers.append((b"connection", b"close"))
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        return b"%b%b\r\n%b" % (_STATUS_LINES[response.status], lines, response.body)
