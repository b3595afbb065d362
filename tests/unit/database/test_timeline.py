"""A server with an older timeline is refused, also after a restart, and is tried last."""

import os
import stat
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from api.database.timeline import Hosts, Timelines

URL = "postgresql://u@a:1,b:2,c:3/d?target_session_attrs=read-write"


def test_an_older_timeline_is_refused_by_every_process(tmp_path: Path) -> None:
    timelines = Timelines(tmp_path / "data" / "timelines.json")
    timelines.admit(7, 2)
    timelines.admit(7, 2)
    timelines.admit(7, 3)
    assert not timelines.is_current(7, 2)
    assert timelines.is_current(7, 3)
    for process in (timelines, Timelines(tmp_path / "data" / "timelines.json")):
        with pytest.raises(psycopg.OperationalError, match="its timeline is 2, the highest is 3"):
            process.admit(7, 2)


def test_the_directory_of_the_timelines_is_private(tmp_path: Path) -> None:
    Timelines(tmp_path / "data" / "timelines.json").admit(7, 2)
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_a_cluster_without_promotions_needs_no_file(tmp_path: Path) -> None:
    Timelines(tmp_path / "data" / "timelines.json").admit(7, 1)
    assert not (tmp_path / "data").exists()


def test_another_cluster_has_timelines_of_its_own(tmp_path: Path) -> None:
    timelines = Timelines(tmp_path / "timelines.json")
    timelines.admit(7, 3)
    timelines.admit(8, 1)
    assert timelines.is_current(8, 1)


@pytest.mark.parametrize("content", ["", "{", "[]"])
def test_an_unusable_file_refuses_only_what_this_process_has_seen(tmp_path: Path, content: str) -> None:
    path = tmp_path / "timelines.json"
    path.write_text(content)
    timelines = Timelines(path)
    timelines.admit(7, 2)
    with pytest.raises(psycopg.OperationalError):
        timelines.admit(7, 1)


def test_an_incomplete_file_is_read_again_although_its_time_stays_the_same(tmp_path: Path) -> None:
    path = tmp_path / "timelines.json"
    path.touch()
    written_at = path.stat().st_mtime_ns
    timelines = Timelines(path)
    assert timelines.is_current(7, 1)
    path.write_text('{"7":2}')
    os.utime(path, ns=(written_at, written_at))
    assert not timelines.is_current(7, 1)


def test_a_refused_host_is_tried_last_and_keeps_its_port() -> None:
    hosts = Hosts(URL)
    hosts.put_last(("a", 1))
    parameters = conninfo_to_dict(hosts.conninfo())
    assert (parameters["host"], parameters["port"]) == ("b,c,a", "2,3,1")
    assert parameters["target_session_attrs"] == "read-write"
    hosts.put_last(("b", 2))
    assert conninfo_to_dict(hosts.conninfo())["host"] == "c,a,b"


@pytest.mark.parametrize(
    ("url", "several"),
    [
        ("postgresql://u@a/d", False),
        ("postgresql:///d?host=/run/x", False),
        ("", False),
        ("postgresql://u@a,b/d", True),
        ("postgresql:///d?hostaddr=127.0.0.2,127.0.0.3", True),
    ],
)
def test_only_a_url_with_several_hosts_is_reordered(url: str, *, several: bool) -> None:
    hosts = Hosts(url)
    assert hosts.several == several
    hosts.put_last(("a", 5432))
    if not several:
        assert hosts.conninfo() == url


def test_one_port_applies_to_all_hosts() -> None:
    hosts = Hosts("postgresql://u@a,b:6/d")
    hosts.put_last(("a", 6))
    hosts.put_last(("a", 5432))
    assert conninfo_to_dict(hosts.conninfo())["host"] == "b,a"
