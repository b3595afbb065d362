"""Modules that use private interfaces refuse releases that they were not checked against."""

import importlib
import importlib.metadata
import json
import subprocess
import sys
from types import ModuleType

import pytest

from api import httpx_patch, prometheus_patch
from api.database import psycopg_patch
from api.server import uvicorn_patch
from tests.stack import ROOT
from webapp import reflex_patch
from webapp.staff import state_patch


@pytest.mark.parametrize(
    ("module", "package"),
    [
        (httpx_patch, "httpx"),
        (prometheus_patch, "prometheus_client"),
        (psycopg_patch, "psycopg"),
        (reflex_patch, "reflex"),
        (state_patch, "reflex"),
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


@pytest.mark.parametrize("call", ["", "httpx_patch.omit_command_line()"])
def test_httpx_loads_its_command_line_only_without_the_patch(call: str) -> None:
    code = (
        f"import sys; from api import httpx_patch; {call}\nimport httpx; print(sys.modules['httpx._main'] is not None)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{not call}\n"


def test_the_command_line_imports_no_httpx_before_its_patch() -> None:
    code = "import sys, api.__main__; print('httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
