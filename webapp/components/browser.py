"""What lives in the browser, for pages: vars that React hooks yield, and functions of our browser modules."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any, Self

import reflex as rx
from reflex.vars import VarData
from reflex.vars.function import ArgsFunctionOperation, FunctionVar


class Part(rx.Component):
    """A component of a browser module of ours.

    Of a property that it does not have Reflex would make style, without a word: here that fails the build.
    """

    @classmethod
    def create(cls, *children: Any, **props: Any) -> Self:
        """Create it.

        Raises:
            TypeError: it has no such property.
        """
        unknown = props.keys() - cls.get_fields().keys() - cls.get_event_triggers().keys()
        if unknown:
            raise TypeError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
        return super().create(*children, **props)


def hooked(module: str, name: str, hook: str, kind: Any) -> Any:
    """Return a var that a React hook of a browser module yields.

    Each component that uses the var brings the hook along, wherever the compiler places it. To mypy a var of an
    object has no attributes, hence Any.
    """
    tag = hook.partition("(")[0]
    data = VarData(imports={module: [rx.ImportVar(tag=tag)]}, hooks={f"const {name} = {hook};": None})
    return rx.Var(name, _var_type=kind, _var_data=data).guess_type()


def watched(module: str, name: str, hook: str, kind: Any) -> Any:
    """Return vars for the fields of the dataclass `kind`, each of which the React hook yields by its name.

    A component that uses some of them is drawn again only when one of these changes.
    """
    return SimpleNamespace(
        **{
            field.name: hooked(module, f"{name}_{field.name}", f'{hook}("{field.name}")', field.type)
            for field in fields(kind)
        }
    )


def function(module: str, name: str) -> FunctionVar[Any]:
    """Return a function of a browser module for use in a page."""
    return rx.Var(name, _var_data=VarData(imports={module: [rx.ImportVar(tag=name)]})).to(FunctionVar)


def action(module: str, name: str, *arguments: Any) -> Any:
    """Return an event that calls a browser module's function at once, whether or not the server hears."""
    call = ArgsFunctionOperation.create((), function(module, name).call(*arguments))
    return call.to(FunctionVar, rx.EventChain)
