"""Generates the TypeScript declarations of the bodies on the wire from the API's structs (`make declarations`)."""

import json
from pathlib import Path
from types import ModuleType

import msgspec
from msgspec import inspect

from api import account_schemas, schemas

MODULES = (schemas, account_schemas)

_HEADER = """// The bodies on the wire as api/{name}.py defines them; `make declarations` writes this file.
// Times are RFC 3339 in UTC, amounts are in the currency's major unit.
"""

_NAMES = {
    inspect.IntType: "number",
    inspect.FloatType: "number",
    inspect.StrType: "string",
    inspect.DateTimeType: "string",
    inspect.BoolType: "boolean",
    inspect.NoneType: "null",
}


def file_of(module: ModuleType) -> Path:
    """Return the file with the declarations of a module."""
    return Path(__file__).parents[2] / "webapp" / "js" / f"{_name(module)}.d.ts"


def declarations(module: ModuleType) -> str:
    """Return an interface for each struct of a module. A module's structs contain no struct of another module."""
    structs = [
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, msgspec.Struct) and each.__module__ == module.__name__
    ]
    described = inspect.multi_type_info(structs)
    return _HEADER.format(name=_name(module)) + "".join(
        _interface(each) for each in described if isinstance(each, inspect.StructType)
    )


def _name(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _interface(struct: inspect.StructType) -> str:
    # A request may omit every field with a default, a response only those whose default is UNSET.
    is_request = struct.forbid_unknown_fields
    lines = []
    for field, wire in zip(msgspec.structs.fields(struct.cls), struct.fields, strict=True):
        is_optional = not field.required and (is_request or field.default is msgspec.UNSET)
        lines.append(f"  {field.encode_name}{'?' if is_optional else ''}: {_type(wire.type)};\n")
    return f"\nexport interface {struct.cls.__name__} {{\n{''.join(lines)}}}\n"


def _type(of: inspect.Type) -> str:
    match of:
        case inspect.Metadata(type=inner):
            name = _type(inner)
        case inspect.LiteralType(values=values):
            name = " | ".join(json.dumps(value) for value in values)
        case inspect.ListType(item_type=item):
            name = f"{_type(item)}[]"
        case inspect.DictType(value_type=value):
            name = f"Record<string, {_type(value)}>"
        case inspect.StructType(cls=cls):
            name = cls.__name__
        case inspect.UnionType(types=types):
            name = " | ".join(_type(each) for each in types)
        case _:
            name = _NAMES[type(of)]
    return name


if __name__ == "__main__":
    for each in MODULES:
        file_of(each).write_text(declarations(each), encoding="utf-8")
