"""Modules that use private interfaces refuse releases that they were not checked against."""

import importlib
import importlib.metadata
import json
from types import ModuleType

import pytest

from api import prometheus_patch
from api.database import psycopg_patch
from api.server import uvicorn_patch
from tests.stack import ROOT
from webapp import reflex_patch


@pytest.mark.parametrize(
    ("module", "package"),
    [
        (prometheus_patch, "prometheus_client"),
        (psycopg_patch, "psycopg"),
        (reflex_patch, "reflex"),
        (uvicorn_patch, "uvicorn"),
    ],
)
def test_another_release_is_refused(monkeypatch: pytest.MonkeyPatch, module: ModuleType, package: str) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: f"{module.VERSION}0.1")
    with pytest.raises(ImportError, match=rf"^{package} {module.VERSION}0\.1 is not {module.VERSION}: check "):
        importlib.reload(module)


def test_the_pages_fit_the_installed_release_of_react_router() -> None:
    locked = json.loads((ROOT / "reflex.lock" / "package.json").read_text())["dependencies"]["react-router"]
    assert f'VERSION = "{locked}"' in (ROOT / "webapp" / "js" / "react_router_patch.js").read_text()
