"""The command line: `python -m api COMMAND`, where `--help` lists the commands."""

# ruff: noqa: E402 - the next two lines come before the imports that take long
import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports ends the process without a traceback.

import argparse
import asyncio
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from api import schemas
from api.commands import (
    audit,
    check_in,
    history,
    payment_simulator,
    ports,
    run,
    seed,
    serve,
    worker,
)
from api.commands.bench import SECONDS_MAX, SECTIONS
from api.config import TICKET_SECRET, Settings
from api.database import migrations, queries, schema_dump
from api.database.embedded import database_url
from api.errors import SetupError
from api.secret import load_or_create_secret

Arguments = argparse.Namespace


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the process's exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each request says nothing
    try:
        return _COMMANDS[arguments.command](Settings.from_env(), arguments)
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
    except psycopg.Error as error:
        sys.stderr.write(f"The database cannot be used: {error}\n")
    except KeyboardInterrupt:
        return 130
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description="Concert tickets.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="the whole system until Ctrl-C")
    commands.add_parser("serve", help="the API")
    commands.add_parser("worker", help="the background worker")
    commands.add_parser("psp", help="the simulated payment provider")
    commands.add_parser("migrate", help="apply the migrations that are missing")
    seeding = commands.add_parser("seed", help="load inventory; safe to repeat")
    seeding.add_argument("--event", help="an event's slug; without it and --inventory: the default events")
    seeding.add_argument("--inventory", help='its tiers\' sizes, such as "VIP=100,Front Row=200,GA=1000"')
    commands.add_parser("audit", help="check the invariants that the data must obey")
    telling = commands.add_parser("history", help="what happened to an order or a ticket, and whose it was")
    whose = telling.add_mutually_exclusive_group(required=True)
    whose.add_argument("--reference", help="an order's reference")
    whose.add_argument("--ticket", type=int, help="a ticket's id")
    telling.add_argument("--at", type=_time, help="with --ticket: whose it was at this time (2026-11-24T20:00:07Z)")
    checking = commands.add_parser("check", help="tell the door whether a ticket's code admits")
    checking.add_argument("code", metavar="CODE", help="what the ticket's QR code says")
    benching = commands.add_parser("bench", help="measure what the system does a second, on servers of its own")
    benching.add_argument("--quick", action="store_true", help="measure little, to see that it works")
    benching.add_argument("--seconds", type=_seconds, help="the length of each measured run")
    benching.add_argument("--only", type=_sections, default=SECTIONS, help=f"some of {','.join(SECTIONS)}")
    benching.add_argument("--out", type=Path, default=Path(".bench/latest.json"), help="default: %(default)s")
    commands.add_parser("schema", help="print the schema of the migrated database")
    resetting = commands.add_parser("reset", help="drop all data and start over, after asking")
    resetting.add_argument("--yes", action="store_true", help="do not ask")
    return parser


def _serve(settings: Settings, _: Arguments) -> int:
    ports.check_port(settings, "API_PORT")
    with database_url(settings) as url:
        return serve.serve(settings, url)


def _worker(settings: Settings, _: Arguments) -> int:
    with database_url(settings) as url:
        asyncio.run(worker.work(url, settings))
    return 0


def _psp(settings: Settings, _: Arguments) -> int:
    ports.check_port(settings, "PSP_PORT")
    return payment_simulator.serve(settings)


def _migrate(settings: Settings, _: Arguments) -> int:
    with database_url(settings) as url:
        applied = migrations.migrate(url)
    _say("\n".join(f"Applied {name}." for name in applied) or "All migrations were applied already.")
    return 0


def _seed(settings: Settings, arguments: Arguments) -> int:
    inventory = seed.parse_inventory(arguments.inventory) if arguments.inventory else seed.DEFAULT_INVENTORY
    event = arguments.event or schemas.BUILT_IN_EVENT
    with database_url(settings) as url:
        migrations.migrate(url)
        if arguments.event is None and arguments.inventory is None:
            made = seed.seed_default(url)
        else:
            made = {event: seed.seed(url, event=event, inventory=inventory)}
    for slug, tickets in made.items():
        _say(f"Event {slug}: {tickets} tickets made." if tickets else f"Event {slug} is complete already.")
    return 0


def _audit(settings: Settings, _: Arguments) -> int:
    with database_url(settings) as url:
        violations = audit.audit(url)
    _say(audit.report(violations))
    return 1 if violations else 0


def _history(settings: Settings, arguments: Arguments) -> int:
    if arguments.at and arguments.ticket is None:
        raise SetupError("--at asks whose a ticket was: it needs --ticket.")
    with database_url(settings) as url:
        if arguments.at:
            holder = history.holder(url, arguments.ticket, arguments.at)
            found = f"{holder.reference} of {holder.user_id}, {holder.status} since {holder.since}" if holder else ""
            _say(found or "Nobody's: it was free.")
            return 0
        if arguments.reference:
            events = history.of_order(url, arguments.reference)
        else:
            events = history.of_ticket(url, arguments.ticket)
    _say(history.report(events) or "Nothing is known of it.")
    return 0 if events else 1


def _check(settings: Settings, arguments: Arguments) -> int:
    with database_url(settings) as url:
        found = check_in.check(url, load_or_create_secret(settings, TICKET_SECRET), arguments.code)
    _say(check_in.report(found))
    return 0 if found and found.live else 1


def _time(text: str) -> datetime:
    """Read a time; one without a zone is in UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _bench(settings: Settings, arguments: Arguments) -> int:
    # Imported here: it imports the counters, and the API's processes must be told where to keep them before that.
    from api.commands.bench.sections import bench  # noqa: PLC0415

    return bench(settings, only=arguments.only, quick=arguments.quick, seconds=arguments.seconds, out=arguments.out)


def _sections(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if unknown := sorted(set(names) - set(SECTIONS)):
        raise argparse.ArgumentTypeError(f"there is no section {unknown[0]!r}: there are {', '.join(SECTIONS)}")
    return names


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= SECONDS_MAX:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0 and up to {SECONDS_MAX:.0f}")
    return seconds


def _schema(settings: Settings, _: Arguments) -> int:
    with database_url(settings) as url:
        migrations.migrate(url)
        sys.stdout.write(schema_dump.dump(url))
    return 0


def _reset(settings: Settings, arguments: Arguments) -> int:
    with database_url(settings) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            place = f"{connection.info.dbname!r} on {connection.info.host or 'this machine'}"
            if not (arguments.yes or _confirms(f"Drop all orders and tickets of database {place}? Type yes: ")):
                _say("Nothing was changed.")
                return 1
            with connection.transaction():
                connection.execute(queries.migrations.drop_tables.sql)
                connection.execute(queries.migrations.drop_functions.sql)
        migrations.migrate(url)
        made = seed.seed_default(url)
    _say(f"Started over with {sum(made.values())} tickets.")
    return 0


def _confirms(question: str) -> bool:
    try:
        return input(question) == "yes"
    except EOFError:  # nobody is there to answer
        _say("")
        return False


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


_COMMANDS: Mapping[str, Callable[[Settings, Arguments], int]] = {
    "run": lambda settings, _: run.run(settings),
    "serve": _serve,
    "worker": _worker,
    "psp": _psp,
    "migrate": _migrate,
    "seed": _seed,
    "audit": _audit,
    "history": _history,
    "check": _check,
    "bench": _bench,
    "schema": _schema,
    "reset": _reset,
}

if __name__ == "__main__":
    sys.exit(main())
