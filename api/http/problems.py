"""Errors over HTTP: problem documents (RFC 9457), for this API's errors and for its frameworks'."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import psycopg
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi.datastructures import ResponseSpec

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
from api.http.responses import Answer
from api.schemas import Problem

_log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

_MISSING_PARAMETER = re.compile(r"Missing required \w+ parameter '(?P<name>[^']+)'")


NOT_MODIFIED = ResponseSpec(None, description="Unchanged since the answer of that ETag")
"""What routes document whose answers have an ETag."""


def problem(error: ApiError, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an error as an answer, with further headers."""
    return Answer(
        msgspec.json.encode(error.body()),
        status=error.status,
        headers={"Cache-Control": "no-store", **error.headers(), **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def answers(*statuses: int) -> dict[int, ResponseSpec]:
    """Document the errors that a route can answer."""
    return {status: _spec(status) for status in statuses}


def _spec(status: int) -> ResponseSpec:
    codes = sorted(kind.code for kind in ApiError.__subclasses__() if kind.status == status)
    return ResponseSpec(
        Problem, description=" or ".join(f"`{code}`" for code in codes), media_type=MEDIA_TYPE, generate_examples=False
    )


def on_api_error(_: Request[Any, Any, Any], error: ApiError) -> Answer:
    """Answer an error of this API."""
    return problem(error)


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Answer:
    """Answer an error that the framework found in a request, in this API's words."""
    if isinstance(error, ValidationException):
        return problem(_invalid(error))
    match error.status_code:
        case 404:
            return problem(NotFound(f"resource at {request.url.path}"))
        case 405:
            allowed = ", ".join(value for name, value in (error.headers or {}).items() if name.lower() == "allow")
            return problem(MethodNotAllowed(request.method, allowed))
        case 413:
            return problem(BodyTooLarge())
        case status if 400 <= status < 500:
            return problem(InvalidRequest(error.detail, field="request"))
    return on_any_error(request, error)


def on_database_error(request: Request[Any, Any, Any], error: psycopg.Error) -> Answer:
    """Answer what the database could not serve."""
    _log.warning("%s %s: %s", request.method, request.url.path, error)
    return problem(Busy())


def on_unknown_commit(request: Request[Any, Any, Any], error: CommitUnknownError) -> Answer:
    """Answer a change that may or may not have been made; asking again finds out."""
    _log.warning("%s %s: %s", request.method, request.url.path, error)
    return problem(Busy(unknown=True))


def on_any_error(request: Request[Any, Any, Any], error: Exception) -> Answer:
    """Answer a fault of our own; the log has the reason, the answer has not."""
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(InternalError())


def _invalid(error: ValidationException) -> InvalidRequest:
    """Name the parameter that a request gets wrong."""
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


_ANSWERS: dict[type[Exception], Callable[[Request[Any, Any, Any], Any], Answer]] = {
    ApiError: on_api_error,
    HTTPException: on_http_error,
    psycopg.OperationalError: on_database_error,
    psycopg.InterfaceError: on_database_error,
    psycopg.errors.ReadOnlySqlTransaction: on_database_error,  # a primary that was demoted
    CommitUnknownError: on_unknown_commit,
    Exception: on_any_error,
}


def answer_to(request: Request[Any, Any, Any], error: Exception) -> Answer:
    """Return the answer to a request that was ended by an error, whichever it is."""
    answer = next(_ANSWERS[kind] for kind in type(error).__mro__ if kind in _ANSWERS)
    return answer(request, error)


def _handle(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return answer_to(request, error).response()


EXCEPTION_HANDLERS: dict[int | type[Exception], Any] = dict.fromkeys(_ANSWERS, _handle)
