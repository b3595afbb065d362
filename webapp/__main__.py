"""`python -m webapp build` builds the site, `files DIR` writes it for a file server, and no argument serves it.

`staff` serves the State of the staff pages.
"""

import sys
from pathlib import Path

from webapp.build import BuildError, build
from webapp.serve import ServeError, serve, write_files
from webapp.settings import PageSettings, SettingError
from webapp.staff.server import serve_staff


def main(arguments: list[str]) -> int:
    """Run one command and return the process's exit code."""
    try:
        match arguments:
            case []:
                serve()
            case ["build"]:
                build()
            case ["files", directory]:
                write_files(Path(directory), PageSettings.from_env())
            case ["staff"]:
                serve_staff()
            case _:
                print("Usage: python -m webapp [build | files DIR | staff]", file=sys.stderr)  # noqa: T201
                return 2
    except (BuildError, ServeError, SettingError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
