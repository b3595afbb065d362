"""The parsers of arguments of the command line. Each refuses a wrong value and names the allowed ones."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from api.commands.bench import RUNS_MAX, SECONDS_MAX, SECTIONS
from api.commands.groups import Group, parse_groups
from api.errors import ConfigError


def parse_uuid(text: str) -> UUID:
    """Parse a UUID."""
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID") from None


def parse_text(text: str) -> str:
    """Return an argument that is UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"{text!r} is not UTF-8") from None
    return text


def parse_time(text: str) -> datetime:
    """Parse a time; a time without a zone is in UTC."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-11-24T20:00:07Z") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def number_parser(most: int) -> Callable[[str], int]:
    """Return the parser of an argument that is a whole number from 1 to `most`."""

    def parse(text: str) -> int:
        if not text.isdecimal() or not text.isascii() or len(text) > len(str(most)) or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")
        return int(text)

    return parse


def parse_job_groups(text: str) -> tuple[Group, ...]:
    """Parse the names of groups of jobs, separated by commas."""
    try:
        return parse_groups(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parse_sections(text: str) -> tuple[str, ...]:
    """Parse the names of sections of the benchmark, separated by commas."""
    names = tuple(name.strip() for name in text.split(","))
    if unknown := sorted(set(names) - set(SECTIONS)):
        raise argparse.ArgumentTypeError(f"unknown section {unknown[0]!r}, not one of {', '.join(SECTIONS)}")
    return names


def parse_runs(text: str) -> int:
    """Parse a number of runs of the benchmark."""
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text) <= RUNS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {RUNS_MAX}")
    return int(text)


def parse_seconds(text: str) -> float:
    """Parse the length of a measured run."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and up to {SECONDS_MAX:.0f}")
    return seconds
