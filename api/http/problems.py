"""Errors as problem documents (RFC 9457): the API's refusals, the framework's exceptions and unexpected ones."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec
import psycopg
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from api.database.errors import CommitUnknownError
from api.errors import (
    ApiError,
    BodyTooLarge,
    Busy,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    invalid,
)
from api.http.responses import RawResponse
from api.logs import order_label

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_LOGGED_MAX = 200
"""Characters of a method or a path in a log record."""
_REFERENCE = re.compile(r"^(/api/bookings/)([^/]+)")
_MISSING_PARAMETER = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")


def problem(error: ApiError, headers: Mapping[str, str] | None = None) -> RawResponse:
    """Return the response for a refusal, with further headers."""
    return RawResponse(
        msgspec.json.encode(error.body()),
        status=error.status,
        headers={"Cache-Control": "no-store", **error.headers(), **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def problem_of(error: Exception, method: str, path: str) -> RawResponse:
    """Return the response for a request that raised any exception. Failures of the system are logged."""
    shown = method[:_LOGGED_MAX], _without_reference(path)[:_LOGGED_MAX]
    convert = next(_REFUSALS[kind] for kind in type(error).__mro__ if kind in _REFUSALS)
    refusal = convert(error, method, path)
    if isinstance(refusal, InternalError):
        _log.error("%r %r failed", *shown, exc_info=error)
    elif isinstance(refusal, Busy) and refusal is not error:
        _log.warning("%r %r: %s", *shown, error)
    return problem(refusal)


def _without_reference(path: str) -> str:
    """Return a path for the log, with the order's label instead of its reference."""
    return _REFERENCE.sub(lambda found: found[1] + order_label(found[2]), path)


def _http_refusal(error: HTTPException, method: str, path: str) -> ApiError:
    """Convert an exception that the framework raised about a request."""
    if isinstance(error, ValidationException):
        return _invalid(error)
    match error.status_code:
        case 404:
            return NotFound(f"resource at {path}")
        case 405:
            allowed = ", ".join(value for name, value in (error.headers or {}).items() if name.lower() == "allow")
            return MethodNotAllowed(method, allowed)
        case status if 400 <= status < 500:
            return InvalidRequest(error.detail, field="request")
    return InternalError()


def _invalid(error: ValidationException) -> InvalidRequest:
    """Name the parameter at fault."""
    if missing := _MISSING_PARAMETER.search(error.detail):
        return InvalidRequest("is required", field=missing["name"])
    if isinstance(error.extra, list) and error.extra and isinstance(error.extra[0], dict):
        name = str(error.extra[0].get("key", ""))
        if name == "data":
            return InvalidRequest("is required")
        return invalid(str(error.extra[0].get("message", error.detail)), _camel_case(name))
    return InvalidRequest(error.detail, field="request")


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _busy(*_: Any) -> ApiError:
    return Busy()


_REFUSALS: dict[type[Exception], Callable[[Any, str, str], ApiError]] = {
    ApiError: lambda error, _method, _path: error,
    HTTPException: _http_refusal,
    psycopg.OperationalError: _busy,
    psycopg.InterfaceError: _busy,
    psycopg.errors.ReadOnlySqlTransaction: _busy,  # a demoted primary
    CommitUnknownError: lambda *_: Busy(unknown=True),
    Exception: lambda *_: InternalError(),
}


def _handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    if isinstance(error, HTTPException) and error.status_code == BodyTooLarge.status:
        error = BodyTooLarge(cast("int", request.app.request_max_body_size))
    return problem_of(error, request.method, request.url.path).to_litestar()


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = dict.fromkeys(_REFUSALS, _handle)
