"""How a request's JSON body is read: strictly, and with the field at fault in each refusal."""

import re
from typing import Any, Generic, TypeVar

import msgspec
from litestar.dto import MsgspecDTO

from api.errors import InvalidRequest, UnsupportedMediaType
from api.http.openapi import DecoderSchema

T = TypeVar("T", bound=msgspec.Struct)

_AT = re.compile(r"^(?P<message>.*?)(?: - at `\$\.?(?P<path>[^`]*)`)?$", re.DOTALL)
_SENTENCES = tuple(
    (re.compile(pattern), sentence)
    for pattern, sentence in (
        (r"Object missing required field `(?P<field>.*)`", "is required"),
        (r"Object contains unknown field `(?P<field>.*)`", "is not a field of this request"),
        (r"Expected `(?P<wanted>\w+)(?: \| null)?`, got `(?P<got>\w+)`", "must be {wanted}, not {got}"),
        (r"Expected `\w+(?: \| null)?` >= (?P<least>\S+)", "must be at least {least}"),
        (r"Expected `\w+(?: \| null)?` <= (?P<most>\S+)", "must be at most {most}"),
        (r"Expected `\w+(?: \| null)?` of length >= 1", "must not be empty"),
        (r"Expected `\w+(?: \| null)?` of length <= (?P<most>\d+)", "must have at most {most} characters"),
        (r"Expected `\w+(?: \| null)?` matching regex .*", "contains characters that are not allowed"),
    )
)
_NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "an object",
}


class StrictBody(MsgspecDTO[T], Generic[T]):
    """Decodes a body into its struct as it stands: the framework's own way takes the text "2" for a number."""

    def decode_bytes(self, value: bytes) -> Any:
        """Return the body's struct.

        Raises:
            UnsupportedMediaType: the body is not sent as JSON.
            InvalidRequest: it is not JSON, or not of the struct's shape.
        """
        content_type = self.asgi_connection.headers.get("content-type", "application/json")
        if content_type.partition(";")[0].strip().lower() != "application/json":
            raise UnsupportedMediaType(f"The body must be sent as application/json, not as {content_type[:100]}.")
        try:
            return msgspec.json.decode(value, type=self.model_type)
        except msgspec.ValidationError as error:
            raise invalid(str(error)) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRequest(f"not valid JSON: {error}") from None

    @classmethod
    def create_openapi_schema(cls, field_definition: Any, handler_id: str, schema_creator: Any) -> Any:  # noqa: ARG003
        """Document the struct as its decoder takes it: the framework's own words lack some of the limits."""
        reference = schema_creator.for_field_definition(field_definition)
        schema_creator.schema_registry.from_reference(reference).schema = DecoderSchema.of(cls.model_type)
        return reference


def invalid(reason: str, field: str = "") -> InvalidRequest:
    """Turn msgspec's words into a sentence that names the field; `field`: where the value itself stands."""
    match = _AT.match(reason)
    message, path = (match["message"], match["path"] or "") if match else (reason, "")
    name = ""
    for pattern, sentence in _SENTENCES:
        if found := pattern.fullmatch(message):
            words = found.groupdict()
            name = words.pop("field", "")
            message = sentence.format(**{key: _NOUNS.get(word, word) for key, word in words.items()})
            break
    return InvalidRequest(message, field=".".join(filter(None, (field, path, name))) or "body")
