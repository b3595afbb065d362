"""`python -m webapp build` builds the front end; `python -m webapp` serves it with the page's events."""

import sys

from webapp.build import BuildError, build
from webapp.serve import ServeError, serve


def main(arguments: list[str]) -> int:
    """Run one command and return the process's exit code."""
    match arguments:
        case []:
            command = serve
        case ["build"]:
            command = build
        case _:
            print("Usage: python -m webapp [build]", file=sys.stderr)  # noqa: T201
            return 2
    try:
        command()
    except (BuildError, ServeError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
