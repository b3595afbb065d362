"""The unit tests of the browser's modules, which Node's test runner executes, and the packages that they build on."""

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from api.http.openapi import REFUSALS_OF_EVERY_ROUTE
from api.routes.bookings import CREATE_REFUSALS
from api.routes.order_changes import CHANGE_REFUSALS
from api.services.order_rules import TICKETS_MAX
from tests.webapp.declarations import MODULES, declarations, file_of

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "webapp" / "js"
TOOLS = ROOT / "tests" / "webapp" / "tools"
NODE = Path(sys.executable).with_name("node")


def test_the_unit_tests_in_javascript_pass() -> None:
    files = sorted(TESTS.rglob("*.test.js"))
    assert files
    done = subprocess.run([NODE, TESTS / "run.js", *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(f"✔ {file} " in done.stdout for file in files), done.stdout


def test_the_types_are_those_of_the_packages_in_the_bundle() -> None:
    declared = json.loads((TOOLS / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    bundled = json.loads((ROOT / "reflex.lock" / "package.json").read_text(encoding="utf-8"))["dependencies"]
    shared = declared.keys() & bundled.keys()
    assert shared
    assert {name: declared[name] for name in shared} == {name: bundled[name] for name in shared}


@pytest.mark.parametrize("module", MODULES)
def test_the_declarations_are_those_of_the_api_s_schemas(module: ModuleType) -> None:
    assert file_of(module).read_text(encoding="utf-8") == declarations(module), "run `make declarations`"


def test_a_stored_basket_has_no_more_tickets_than_an_order() -> None:
    script = 'import { TICKETS_MAX } from "./webapp/js/basket_storage.js"; console.log(TICKETS_MAX)'
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) == TICKETS_MAX


def test_the_page_handles_every_refusal_of_booking_and_cancelling() -> None:
    script = 'import { KIND_OF_CODE } from "./webapp/js/booking_api.js"; console.log(JSON.stringify(KIND_OF_CODE))'
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    refusals = {*CREATE_REFUSALS, *CHANGE_REFUSALS, *REFUSALS_OF_EVERY_ROUTE}
    assert json.loads(done.stdout).keys() == {kind.code for kind in refusals}
