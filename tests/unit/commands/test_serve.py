"""The connections that the limit of open files admits."""

import resource
import subprocess
import sys

import pytest

SCRIPT = """
import resource
from {module} import {function}
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print({function}({wanted}), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def possible(module: str, function: str, *, soft: int, hard: int, wanted: int) -> list[int]:
    """Return the possible connections and the limits of open files afterwards, in a process of its own."""
    script = SCRIPT.format(module=module, function=function, soft=soft, hard=hard, wanted=wanted)
    output = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    return [int(number) for number in output.split()]


@pytest.mark.parametrize(
    ("module", "function", "others"),
    [("api.commands.serve", "possible_connections", 500), ("webapp.serve", "_possible_connections", 200)],
)
def test_connections_are_limited_by_the_open_files_that_the_system_allows(
    module: str, function: str, others: int
) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 2000
    assert possible(module, function, soft=256, hard=2000, wanted=1000) == [1000, 1000 + others, 2000]
    assert possible(module, function, soft=256, hard=1024, wanted=1000) == [1024 - others, 1024, 1024]
    assert possible(module, function, soft=1800, hard=2000, wanted=1000) == [1000, 1800, 2000]
