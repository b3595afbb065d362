"""The arguments of the seed for the rules of a new event."""

import psycopg
import pytest

from api.__main__ import main
from api.commands.seed import parse_inventory, seed
from api.errors import ConfigError
from api.services.order_rules import OwnRules

ROW = "select tickets_min, tickets_max, tickets_per_buyer, hold_seconds from events where slug = %s"


def stored(url: str, slug: str) -> tuple[int | None, ...] | None:
    """Return the rules of an event, or None if there is no such event."""
    with psycopg.connect(url) as conn:
        return conn.execute(ROW, [slug]).fetchone()


def test_the_arguments_become_the_rules_of_the_new_event(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    command = ["seed", "--event", "gala", "--inventory", "GA=10", "--tickets-min", "2", "--tickets-max", "6"]
    command += ["--tickets-per-buyer", "12", "--hold-seconds", "600"]
    assert main(command) == 0
    assert stored(database_url, "gala") == (2, 6, 12, 600)
    assert main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Event gala is already complete."


def test_other_rules_of_an_existing_event_are_refused_and_change_nothing(database_url: str) -> None:
    seed(database_url, event="gala", inventory=parse_inventory("GA=10"), rules=OwnRules(tickets_max=6))
    with pytest.raises(ConfigError, match="Event gala exists with other rules"):
        seed(database_url, event="gala", inventory=parse_inventory("VIP=10"), rules=OwnRules(tickets_max=7))
    assert stored(database_url, "gala") == (None, 6, None, None)
    assert seed(database_url, event="gala", inventory=parse_inventory("VIP=10,GA=10")) == 10


@pytest.mark.parametrize(
    "rules", [OwnRules(tickets_min=3, tickets_max=2), OwnRules(tickets_min=3, tickets_per_buyer=2)]
)
def test_rules_that_permit_no_order_are_refused(database_url: str, rules: OwnRules) -> None:
    with pytest.raises(ConfigError, match="--tickets-min 3 is above"):
        seed(database_url, event="gala", rules=rules)
    assert stored(database_url, "gala") is None


@pytest.mark.parametrize(
    ("argument", "most"),
    [("hold-seconds", 86_400), ("tickets-per-buyer", 2**31 - 1), ("tickets-min", 1000), ("tickets-max", 1000)],
)
def test_an_argument_out_of_range_is_refused(argument: str, most: int, capsys: pytest.CaptureFixture[str]) -> None:
    for value in ("0", str(most + 1), "-1", "1.5", "\u0661", "many"):
        with pytest.raises(SystemExit) as exit_of:
            main(["seed", f"--{argument}", value])
        assert exit_of.value.code == 2
        assert f"argument --{argument}: {value!r} is not a whole number from 1 to {most}" in capsys.readouterr().err
