"""Strict decoding of JSON request bodies. A refusal names every field at fault."""

import sys
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from litestar.dto import MsgspecDTO
from litestar.typing import FieldDefinition

from api.errors import InvalidRequest, UnsupportedMediaType, invalid
from api.http.openapi import DecoderSchema
from api.schemas import explain_malformed

T = TypeVar("T", bound=msgspec.Struct)
V = TypeVar("V")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_INTEGER_DIGITS_MAX = 19
"""Digits of the largest 64-bit integer."""


class StrictBody(MsgspecDTO[T], Generic[T]):
    """Decode a body without conversions. The framework's own decoder accepts the text "2" as a number."""

    def decode_bytes(self, value: bytes) -> Any:
        """Return the body's struct.

        Raises:
            UnsupportedMediaType: the content type is missing or not JSON, or the body is compressed.
            InvalidRequest: the body is not JSON or does not match the struct.
        """
        content_type = self.asgi_connection.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType(content_type)
        coding = self.asgi_connection.headers.get("content-encoding", "").strip()
        if coding.lower() not in ("", "identity"):
            raise UnsupportedMediaType(content_type, coding)
        return decode(value, self.model_type)

    @classmethod
    def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:  # noqa: ARG003
        """Document the struct with the limits of its decoder, some of which the framework omits."""
        module = sys.modules[cls.model_type.__module__]  # It defines the nested structs as well.
        for name, schema in DecoderSchema.of(cls.model_type).items():
            nested = schema_creator.for_field_definition(FieldDefinition.from_annotation(getattr(module, name)))
            schema_creator.schema_registry.from_reference(nested).schema = schema
        return schema_creator.for_field_definition(field_definition)


def decode(body: bytes, kind: type[T]) -> T:
    """Decode a body. A byte order mark before it is ignored, as RFC 8259 allows.

    Raises:
        InvalidRequest: the body is not JSON or does not match the struct.
    """
    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        try:
            # The rest of the body may be no JSON.
            value = msgspec.json.Decoder(float_hook=_number).decode(body)
        except (msgspec.ValidationError, ArithmeticError, RecursionError):
            raise invalid(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as malformed:
            raise InvalidRequest(explain_malformed(body, malformed)) from None
        return _convert(value, kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(explain_malformed(body, error)) from None


def _convert(value: Any, kind: type[T]) -> T:
    """Convert a decoded body field by field, because the decoder stops at the first fault.

    Raises:
        InvalidRequest: the value does not match the struct.
    """
    if not isinstance(value, dict):
        return _convert_value(value, kind, "")
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    required = {name for name, field in fields.items() if field.required}
    if required_with := getattr(kind, "required_with", None):
        required.update(required_with(value))
    faults: list[InvalidRequest] = []
    for name, field in fields.items():
        try:
            if name in value:
                _convert_value(value[name], field.type, name)
            elif name in required:
                faults.append(InvalidRequest("is required", field=name))
        except InvalidRequest as fault:
            faults.append(fault)
    faults += [InvalidRequest("is not a field of this request", field=name) for name in value if name not in fields]
    if faults:
        raise InvalidRequest.combine(faults)
    return _convert_value(value, kind, "")


def _convert_value(value: Any, kind: type[V], field: str) -> V:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise invalid(str(error), field) from None


def _number(text: str) -> int | Decimal:
    """Return a number with a fraction or an exponent, as an integer if it is one: JSON has one kind of numbers."""
    number = Decimal(text)
    # The bound comes first: 1e999999 has a million digits as an integer.
    return int(number) if number.adjusted() < _INTEGER_DIGITS_MAX and number == number.to_integral_value() else number
