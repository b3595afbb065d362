"""The command line: `python -m api COMMAND`. `--help` lists the commands.

Each command imports what it needs when it runs. Otherwise each process would load the web framework and the HTTP
client, which takes longer than most commands.
"""

# ruff: noqa: E402, PLC0415 - the signal handler has to be set before the slow imports; commands import late
import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports shows no traceback.

import argparse
import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import psycopg

from api import httpx_patch, schemas
from api.account_schemas import Role
from api.commands import output
from api.commands.argument_types import (
    number_parser,
    parse_job_groups,
    parse_runs,
    parse_seconds,
    parse_sections,
    parse_text,
    parse_time,
    parse_uuid,
)
from api.commands.bench import COMPARED, SECTIONS
from api.commands.groups import GROUPS
from api.config import Settings, require_provider
from api.database import migrations, queries
from api.database.embedded import database_url, direct_database_url
from api.errors import ConfigError, SetupError
from api.logs import configure_logging
from api.secret import load_or_create_secret
from api.settings.secrets import TICKET_SECRET

httpx_patch.omit_command_line()  # Before a command imports httpx.

Arguments = argparse.Namespace

_log = logging.getLogger(__name__)

_RULES = {
    "hold-seconds": (86_400, "length of a hold"),
    "tickets-per-buyer": (2**31 - 1, "most tickets of one buyer"),
    "tickets-min": (1000, "fewest tickets of one order"),
    "tickets-max": (1000, "most tickets of one order"),
}
"""The arguments for the rules of a new event: the largest value and the meaning of each."""
_HISTORY_HELP = "show the changes of an order or a ticket; with --at, show the ticket's holder"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code of the process."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    arguments = _parser().parse_args(argv)
    configure_logging()
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
    commands.add_parser("run", help="run the whole system until Ctrl-C")
    commands.add_parser("serve", help="run the API")
    worker_parser = commands.add_parser("worker", help="run the background worker")
    worker_parser.add_argument(
        "--only", type=parse_job_groups, help=f"some groups of jobs of {','.join(GROUPS)}; default: all"
    )
    commands.add_parser("psp", help="run the payment simulator")
    commands.add_parser("mailbox", help="run the mailbox for development, which shows the e-mails that it gets")
    commands.add_parser("migrate", help="apply the missing migrations")
    seed_parser = commands.add_parser("seed", help="create events and tickets; safe to repeat")
    seed_parser.add_argument("--event", help="slug of the event; without it and --inventory, the default events")
    seed_parser.add_argument("--inventory", help='sizes of the tiers, such as "VIP=100,Front Row=200,GA=1000"')
    for argument, (most, meaning) in _RULES.items():
        seed_parser.add_argument(f"--{argument}", type=number_parser(most), help=f"{meaning} of a new event")
    commands.add_parser("audit", help="check the invariants of the database")
    history_parser = commands.add_parser("history", help=_HISTORY_HELP)
    subject = history_parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--reference", type=parse_text, help="reference of an order")
    subject.add_argument("--ticket", type=int, help="id of a ticket")
    history_parser.add_argument(
        "--at", type=parse_time, help="with --ticket: show its holder then (2026-11-24T20:00:07Z)"
    )
    check_parser = commands.add_parser("check", help="check whether a ticket's code is valid")
    check_parser.add_argument("--event", help="slug of the event at this entrance; refuse tickets of other events")
    check_parser.add_argument("code", metavar="CODE", help="text of the ticket's QR code")
    retry_parser = commands.add_parser("retry-refund", help="request a failed refund again")
    retry_parser.add_argument("key", type=parse_uuid, metavar="ID", help="id of the refund, a UUID")
    cancel_parser = commands.add_parser(
        "cancel-event", help="cancel an event and refund its orders, or show the progress"
    )
    cancel_parser.add_argument("event", type=parse_text, metavar="SLUG", help="slug of the event")
    cancel_parser.add_argument(
        "--confirm", type=parse_text, metavar="SLUG", help="slug again, to confirm without a terminal"
    )
    cancel_parser.add_argument(
        "--orders", type=parse_text, metavar="N", help="with --confirm: number of orders in the preview"
    )
    cancel_parser.add_argument("--reason", type=parse_text, help="reason of the cancellation, for the venue")
    reconcile_parser = commands.add_parser("reconcile", help="compare the provider's payments and refunds with ours")
    reconcile_parser.add_argument(
        "--since", type=parse_time, default=None, help="beginning of the comparison; default: a week ago"
    )
    accounts_parser = commands.add_parser("accounts", help="grant roles to accounts, list or revoke them")
    actions = accounts_parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="list the roles of all accounts")
    for action in ("grant", "revoke"):
        action_parser = actions.add_parser(action, help=f"{action} a role of an e-mail address")
        action_parser.add_argument("email", type=parse_text, metavar="ADDRESS", help="e-mail address of the account")
        action_parser.add_argument("role", choices=get_args(Role), help="admin includes the others")
        action_parser.add_argument("--event", type=parse_text, help="slug of the event; without it, all events")
    _add_mail(commands.add_parser("mail", help="list the e-mails that reached nobody, or send them again"))
    bench_parser = commands.add_parser("bench", help="measure throughput and latency on throw-away servers")
    bench_parser.add_argument("--quick", action="store_true", help="measure briefly, to test the benchmark itself")
    bench_parser.add_argument("--seconds", type=parse_seconds, help="length of each measured run, in seconds")
    bench_parser.add_argument("--runs", type=parse_runs, help="runs of each measurement, or pairs with --against")
    bench_parser.add_argument("--only", type=parse_sections, help=f"some of {','.join(SECTIONS)}")
    bench_parser.add_argument("--against", metavar="REV", help=f"compare {','.join(COMPARED)} with another revision")
    bench_parser.add_argument("--out", type=Path, default=Path(".bench/latest.json"), help="default: %(default)s")
    commands.add_parser("schema", help="apply the missing migrations, then print the schema")
    reset_parser = commands.add_parser("reset", help="drop all data and start over, after a confirmation")
    reset_parser.add_argument("--yes", action="store_true", help="skip the confirmation")
    return parser


def _add_mail(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for action, meaning in (
        ("undelivered", "list the last e-mails about orders that reached nobody"),
        ("resend", "send these e-mails again"),
    ):
        action_parser = actions.add_parser(action, help=meaning)
        action_parser.add_argument("--event", type=parse_text, help="slug of the event; without it, all events")
        action_parser.add_argument("--order", type=parse_text, help="reference or short reference of an order")


def _run(settings: Settings, _: Arguments) -> int:
    from api.commands import run

    require_provider(settings)
    return run.run(settings)


def _serve(settings: Settings, _: Arguments) -> int:
    from api.commands import ports, price_check, serve
    from api.database import pooler

    require_provider(settings)
    ports.check_ports(settings, {"API_PORT", "OPERATIONS_PORT"} if settings.operations_port else {"API_PORT"})
    with database_url(settings) as url:
        if pooler.check_pooler(url, settings):
            price_check.check_prices(url, settings)
        if settings.has_open_orders:
            _log.warning("GUEST_ORDERS=open: everybody may read and cancel the orders that were made without a secret.")
        return serve.serve(settings, url)


def _worker(settings: Settings, arguments: Arguments) -> int:
    from api.commands import worker
    from api.database import pooler

    require_provider(settings)
    with database_url(settings) as url:
        pooler.check_pooler(url, settings)
        asyncio.run(worker.work(url, settings, arguments.only or GROUPS))
    return 0


def _payment_simulator(settings: Settings, _: Arguments) -> int:
    from api.commands import payment_simulator, ports

    ports.check_port(settings, "PSP_PORT")
    return payment_simulator.serve(settings)


def _mailbox(settings: Settings, _: Arguments) -> int:
    from api.commands import mailbox, ports

    ports.check_ports(settings, {"MAILBOX_PORT", "MAILBOX_WEB_PORT"})
    return mailbox.serve(settings)


def _migrate(settings: Settings, _: Arguments) -> int:
    with direct_database_url(settings) as url:
        applied = migrations.migrate(url)
    _print("\n".join(f"Applied {name}." for name in applied) or "All migrations are already applied.")
    return 0


def _seed(settings: Settings, arguments: Arguments) -> int:
    from api.commands import seed
    from api.services.order_rules import NO_RULES, OwnRules

    inventory = None if arguments.inventory is None else seed.parse_inventory(arguments.inventory)
    event = schemas.BUILT_IN_EVENT if arguments.event is None else arguments.event
    rules = OwnRules(**{name: getattr(arguments, name) for name in OwnRules.__struct_fields__})
    with direct_database_url(settings) as url:
        migrations.migrate(url)
        if arguments.event is None and inventory is None and rules == NO_RULES:
            created = seed.seed_default(url)
        else:
            created = {event: seed.seed(url, event=event, inventory=inventory, rules=rules)}
    for slug, tickets in created.items():
        _print(f"Created {tickets} tickets of event {slug}." if tickets else f"Event {slug} is already complete.")
    return 0


def _audit(settings: Settings, _: Arguments) -> int:
    from api.commands import audit

    with database_url(settings) as url:
        violations = audit.audit(url)
    _print(audit.report(violations))
    return 1 if violations else 0


def _history(settings: Settings, arguments: Arguments) -> int:
    from api.commands import history

    if arguments.at and arguments.ticket is None:
        raise SetupError("--at needs --ticket.")
    with database_url(settings) as url:
        if arguments.ticket is not None and not history.ticket_exists(url, arguments.ticket):
            raise ConfigError(f"There is no ticket {arguments.ticket}.")
        if arguments.at:
            _print(history.report_holder(history.holder_at(url, arguments.ticket, arguments.at)))
            return 0
        if arguments.reference:
            changes = history.order_history(url, arguments.reference)
        else:
            changes = history.ticket_history(url, arguments.ticket)
    _print(history.report(changes) or "There is no history.")
    return 0 if changes else 1


def _check_in(settings: Settings, arguments: Arguments) -> int:
    from api.commands import check_in

    with database_url(settings) as url:
        secret = load_or_create_secret(settings, TICKET_SECRET)
        found = check_in.scan(url, secret, arguments.code, admission_hours=settings.admission_hours)
    _print(check_in.report(found, arguments.event))
    return 1 if check_in.refusal(found, arguments.event) else 0


def _retry_refund(settings: Settings, arguments: Arguments) -> int:
    from api.commands import retry_refund

    with database_url(settings) as url:
        is_requested = asyncio.run(retry_refund.retry(url, settings, arguments.key))
    _print("The worker sends the refund again." if is_requested else "No failed refund has this id.")
    return 0 if is_requested else 1


def _cancel_event(settings: Settings, arguments: Arguments) -> int:
    from api.commands import cancel_event

    stated = None
    if arguments.confirm is not None or arguments.orders is not None:
        if None in (arguments.confirm, arguments.orders, arguments.reason):
            raise SetupError("A confirmation needs --confirm, --orders and --reason.")
        stated = cancel_event.Confirmation(arguments.confirm, arguments.orders, arguments.reason)
    with database_url(settings) as url:
        return asyncio.run(cancel_event.cancel(url, settings, arguments.event, stated, _print, _answer))


def _reconcile(settings: Settings, arguments: Arguments) -> int:
    from api.commands import reconcile

    require_provider(settings)
    since = arguments.since or datetime.now(UTC) - timedelta(days=7)
    with database_url(settings) as url:
        differences = asyncio.run(reconcile.reconcile(url, settings, since))
    _print(reconcile.report(differences))
    return 1 if differences else 0


def _accounts(settings: Settings, arguments: Arguments) -> int:
    from api.commands import accounts

    with database_url(settings) as url:
        if arguments.action == "list":
            _print(accounts.report(asyncio.run(accounts.list_all(url, settings))))
            return 0
        subject = arguments.email, arguments.role, arguments.event
        if arguments.action == "grant":
            asyncio.run(accounts.grant(url, settings, *subject))
            _print(f"{arguments.email} has the role {arguments.role} for {arguments.event or 'all events'}.")
            return 0
        is_revoked = asyncio.run(accounts.revoke(url, settings, *subject))
    _print("The role is revoked." if is_revoked else "The address does not have this role.")
    return 0 if is_revoked else 1


def _mail(settings: Settings, arguments: Arguments) -> int:
    from api.commands import mail
    from api.services.mail.undelivered import Selection

    selection = Selection(arguments.event, arguments.order)
    with database_url(settings) as url:
        if arguments.action == "resend":
            queued = asyncio.run(mail.resend(url, settings, selection))
            _print(f"The worker sends {queued} message(s) again.")
            return 0
        found = asyncio.run(mail.report(url, settings, selection, _print))
    if not found:
        _print("Every message has reached its mail server.")
    return 1 if found else 0


def _bench(settings: Settings, arguments: Arguments) -> int:
    from api.commands.bench.command import Options, bench

    options = Options(
        only=arguments.only or (COMPARED if arguments.against else SECTIONS),
        out=arguments.out,
        against=arguments.against,
        quick=arguments.quick,
        runs=arguments.runs,
        seconds=arguments.seconds,
    )
    return bench(settings, options)


def _schema(settings: Settings, _: Arguments) -> int:
    from api.database import schema_dump

    with direct_database_url(settings) as url:
        migrations.migrate(url)
        _write(schema_dump.dump(url))
    return 0


def _reset(settings: Settings, arguments: Arguments) -> int:
    from api.commands import seed

    with direct_database_url(settings) as url:
        with migrations.connect(url) as connection:
            database = f"{connection.info.dbname!r} on {connection.info.host or 'this machine'}"
            if not (arguments.yes or _confirmed(f"Drop all orders and tickets of database {database}? Type yes: ")):
                _print("Nothing was changed.")
                return 1
            with migrations.unlimited_transaction(connection):
                connection.execute(queries.migrations.drop_tables.sql)
                connection.execute(queries.migrations.drop_domains.sql)
                connection.execute(queries.migrations.drop_functions.sql)
        migrations.migrate(url)
        created = seed.seed_default(url)
    _print(f"Started over with {sum(created.values())} tickets.")
    return 0


def _confirmed(question: str) -> bool:
    return _answer(question) == "yes"


def _answer(question: str) -> str | None:
    """Return what the operator types; None without a terminal."""
    try:
        return input(question)
    except EOFError:
        _print("")
        return None


def _print(text: str) -> None:
    _write(f"{text}\n")


def _write(text: str) -> None:
    try:
        output.write(text)
    except OSError as error:
        raise SetupError(f"The output cannot be written ({error.strerror}).") from error


_COMMANDS: Mapping[str, Callable[[Settings, Arguments], int]] = {
    "run": _run,
    "serve": _serve,
    "worker": _worker,
    "psp": _payment_simulator,
    "mailbox": _mailbox,
    "migrate": _migrate,
    "seed": _seed,
    "audit": _audit,
    "history": _history,
    "check": _check_in,
    "retry-refund": _retry_refund,
    "cancel-event": _cancel_event,
    "reconcile": _reconcile,
    "accounts": _accounts,
    "mail": _mail,
    "bench": _bench,
    "schema": _schema,
    "reset": _reset,
}

if __name__ == "__main__":
    sys.exit(main())
