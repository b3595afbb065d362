"""`python -m tests.faults.kills SECONDS SEED`: kills and faults at random in every flow, as a part of the soak."""

import asyncio
import sys

from tests.faults.kills.runs import soak


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(0 if asyncio.run(soak(float(sys.argv[1]), sys.argv[2], _write)) else 1)
