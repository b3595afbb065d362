"""Use of JavaScript modules in pages: components, vars from React hooks, and functions."""

from dataclasses import fields
from types import SimpleNamespace
from typing import Any, Self

import reflex as rx
from reflex.vars import VarData
from reflex.vars.function import ArgsFunctionOperation, FunctionVar


class Part(rx.Component):
    """A component of a module in webapp/js.

    Reflex would turn an unknown property into style. Here it fails the build.
    """

    @classmethod
    def create(cls, *children: Any, **props: Any) -> Self:
        """Create the component.

        Raises:
            TypeError: The component has no such property.
        """
        unknown = props.keys() - cls.get_fields().keys() - cls.get_event_triggers().keys()
        if unknown:
            raise TypeError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
        return super().create(*children, **props)


def hooked(module: str, name: str, hook: str, kind: Any) -> Any:
    """Return a var with the value of a module's React hook.

    Each component that uses the var calls the hook, wherever the compiler places the component. The return type is Any
    because object vars have no attributes for mypy.
    """
    tag = hook.partition("(")[0]
    data = VarData(imports={module: [rx.ImportVar(tag=tag)]}, hooks={f"const {name} = {hook};": None})
    return rx.Var(name, _var_type=kind, _var_data=data).guess_type()


def watched(module: str, name: str, hook: str, kind: Any) -> Any:
    """Return a var for each field of the dataclass `kind`; the React hook takes the field's name.

    React draws a component again only when a field that it uses changes.
    """
    return SimpleNamespace(
        **{
            field.name: hooked(module, f"{name}_{field.name}", f'{hook}("{field.name}")', field.type)
            for field in fields(kind)
        }
    )


def function(module: str, name: str) -> FunctionVar[Any]:
    """Return a function of a module."""
    return rx.Var(name, _var_data=VarData(imports={module: [rx.ImportVar(tag=name)]})).to(FunctionVar)


def action(module: str, name: str, *arguments: Any) -> Any:
    """Return an event that calls a function of a module."""
    call = ArgsFunctionOperation.create((), function(module, name).call(*arguments))
    return call.to(FunctionVar, rx.EventChain)
