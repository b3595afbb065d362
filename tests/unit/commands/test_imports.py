"""Services load no package that only the command lines and pages of their dependencies need."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("modules", ["api.commands.serve, api.app", "api.commands.run, api.commands.worker"])
def test_a_service_loads_no_terminal_and_no_template_engine(modules: str) -> None:
    code = f"import sys, api.__main__, {modules}; print({{'rich', 'pygments', 'jinja2'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_worker_loads_no_library_for_tokens_and_passwords() -> None:
    code = "import sys, api.commands.worker; print({'joserfc', 'argon2'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
