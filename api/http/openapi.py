"""The parts of the OpenAPI document that the framework omits or gets wrong."""

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Link, OpenAPI, OpenAPIResponse, OpenAPIType, Operation, Parameter, PathItem, Schema

from api.account_schemas import METHODS
from api.errors import ApiError, Busy, InternalError, NotFound, RateLimited
from api.http.problems import MEDIA_TYPE
from api.schemas import Problem

NOT_MODIFIED = ResponseSpec(None, description="Unchanged: an ETag of `If-None-Match` matches")
"""The response 304 of routes with an ETag."""

REFUSALS_OF_EVERY_ROUTE: tuple[type[ApiError], ...] = (RateLimited, InternalError, Busy)


def refusals(kinds: Collection[type[ApiError]] = ()) -> dict[int, ResponseSpec]:
    """Return the OpenAPI responses for a route's refusals, by status. They include the refusals of every route."""
    by_status: dict[int, list[type[ApiError]]] = {}
    for kind in sorted((*kinds, *REFUSALS_OF_EVERY_ROUTE), key=lambda kind: (kind.status, kind.code)):
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: ResponseSpec(
            Problem,
            description="\n\n".join(f"`{kind.code}`: {inspect.getdoc(kind)}" for kind in kinds_of_status),
            media_type=MEDIA_TYPE,
            generate_examples=False,
        )
        for status, kinds_of_status in by_status.items()
    }


async def refuse_unknown_page(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse an unknown address below the document's like any other one. A guard of the framework, which has a page.

    Raises:
        NotFound: the address is unknown.
    """
    if connection.scope["path_template"].endswith("{path}"):
        raise NotFound(f"resource at {connection.scope['path']}")


@dataclass
class DecoderSchema(Schema):
    """A request body's schema as its decoder defines it, with every limit."""

    document: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, struct: type[msgspec.Struct]) -> dict[str, "DecoderSchema"]:
        """Return the schemas of a struct and of the structs in its fields, by their names."""
        _, components = msgspec.json.schema_components([struct], ref_template="#/components/schemas/{name}")
        return {name: cls(document=document) for name, document in components.items()}

    def to_schema(self) -> dict[str, Any]:
        """Return the schema for the OpenAPI document."""
        return self.document


def complete(document: OpenAPI, *, tickets_max: int) -> None:
    """Complete the OpenAPI document. `tickets_max` is the limit of tickets per booking."""
    paths = document.paths or {}
    for path in paths.values():
        for operation in filter(None, (path.get, path.post)):
            for parameter in operation.parameters or []:
                _remove_null(cast("Parameter", parameter))
    _link_booking(paths)
    for parameter in cast("Operation", paths["/api/tickets/best"].get).parameters or []:
        if isinstance(parameter, Parameter) and parameter.name == "quantity":
            cast("Schema", parameter.schema).maximum = tickets_max
    schemas = document.components.schemas
    request, item = (schemas[name].to_schema() for name in ("BookingRequest", "BookingItem"))
    for schema in (request, item):
        schema["properties"]["quantity"]["anyOf"][0]["maximum"] = tickets_max
        schema["properties"]["ticketIds"]["anyOf"][0]["maxItems"] = tickets_max
    request["properties"]["items"]["anyOf"][0]["maxItems"] = tickets_max
    single = _form(request, required=("tier", "quantity"), absent=("items",))
    basket = _form(request, required=("items",), absent=("tier", "quantity", "ticketIds"))
    _set_forms(request, single, basket)
    sign_in = schemas["SignInRequest"].to_schema()
    _set_forms(sign_in, *(_form(sign_in, required=names, method=method) for method, names in METHODS.items()))
    _set_forms(item, _form(item, required=("tier", "quantity")), _form(item, required=("ticketIds",)))


def _form(
    schema: Mapping[str, Any], required: Collection[str], absent: Collection[str] = (), method: str | None = None
) -> dict[str, Any]:
    """Return one form of a struct whose fields depend on each other: some are required, and some are absent.

    `method` is the value of the field `method` in this form; None: the struct has no such field.
    """
    properties = {name: value for name, value in schema["properties"].items() if name not in absent}
    for name in required:
        properties[name] = properties[name]["anyOf"][0]  # without null
    if method is not None:
        properties["method"] = {"const": method}
    return {
        "type": "object",
        "properties": properties,
        "required": [*required, *schema.get("required", ())],
        "additionalProperties": False,
    }


def _set_forms(schema: dict[str, Any], *forms: dict[str, Any]) -> None:
    """Replace the fields of a struct by its forms; a value has one of them."""
    for name in ("type", "properties", "required", "additionalProperties"):
        schema.pop(name, None)
    schema["anyOf"] = list(forms)


def _remove_null(parameter: Parameter) -> None:
    """Remove null from an optional text parameter. A client would send it as the text "null"."""
    schema = cast("Schema", parameter.schema)
    if schema.one_of and OpenAPIType.STRING in {one.type for one in schema.one_of if isinstance(one, Schema)}:
        schema.type, schema.one_of = OpenAPIType.STRING, None
    if schema.enum and None in schema.enum:
        schema.type, schema.enum = OpenAPIType.STRING, [choice for choice in schema.enum if choice is not None]


def _link_booking(paths: dict[str, PathItem]) -> None:
    """Link the booking's response to the operations that take its reference."""
    book, found, cancel, code, calendar = (
        cast("Operation", operation)
        for operation in (
            paths["/api/bookings"].post,
            paths["/api/bookings/{reference}"].get,
            paths["/api/bookings/{reference}/cancel"].post,
            paths["/api/bookings/{reference}/tickets/{file}"].get,
            paths["/api/bookings/{reference}/calendar.ics"].get,
        )
    )
    reference = {"reference": "$response.body#/reference"}
    with_secret = {**reference, "header.Booking-Secret": "$response.body#/bookingSecret"}
    with_same_secret = {**reference, "header.Booking-Secret": "$request.header.Booking-Secret"}
    buyer = {"userId": "$request.body#/userId"}
    for status in ("201", "202"):
        cast("OpenAPIResponse", (book.responses or {})[status]).links = {
            "booking": Link(operation_id=found.operation_id, parameters=with_secret),
            "cancel": Link(operation_id=cancel.operation_id, parameters=with_secret, request_body=buyer),
        }
    # Ticket codes exist only for paid orders. Therefore the lookup has these links, and the booking has none.
    cast("OpenAPIResponse", (found.responses or {})["200"]).links = {
        "firstTicket": Link(operation_id=code.operation_id, parameters={**with_same_secret, "file": "1.svg"}),
        "calendar": Link(operation_id=calendar.operation_id, parameters=with_same_secret),
    }
