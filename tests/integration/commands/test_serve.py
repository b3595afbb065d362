"""The connections that the limit of open files admits."""

import resource
import subprocess
import sys

import pytest

SCRIPT = """
import resource
from {module} import {function}
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
print({function}({wanted}{options}), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def run(function: str, options: str, *, soft: int, hard: int, wanted: int) -> tuple[list[int], str]:
    """Return the possible connections with the limits of open files afterwards, and the log, of a new process."""
    module, _, name = function.partition(":")
    script = SCRIPT.format(module=module, function=name, options=options, soft=soft, hard=hard, wanted=wanted)
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return [int(number) for number in done.stdout.split()], done.stderr


@pytest.mark.parametrize(
    ("function", "options", "others"),
    [
        ("api.server.sockets:possible_connections", ", other_files=500", 500),
        ("webapp.serve:_possible_connections", "", 200),
    ],
)
def test_connections_are_limited_by_the_open_files_that_the_system_allows(
    function: str, options: str, others: int
) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 2000
    assert run(function, options, soft=256, hard=2000, wanted=1000) == ([1000, 1000 + others, 2000], "")
    assert run(function, options, soft=1800, hard=2000, wanted=1000) == ([1000, 1800, 2000], "")
    limited, log = run(function, options, soft=256, hard=1024, wanted=1000)
    assert limited == [1024 - others, 1024, 1024]
    assert log.strip() == (
        f"CONNECTIONS_MAX=1000 and {others} files for other purposes exceed the limit of 1024 open files: "
        f"serving {1024 - others} connections"
    )
