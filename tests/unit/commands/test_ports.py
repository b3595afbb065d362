"""Hosts and ports: names lead to one address, and unusable hosts are refused in a sentence."""

import socket
from typing import Any

import pytest

from api.commands.ports import check_port, resolve
from api.config import Settings
from api.errors import SetupError
from tests.stack import free_port

IPV4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))
IPV6 = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", 0, 0, 0))


@pytest.mark.parametrize(
    ("found", "address"), [([IPV4, IPV6], "127.0.0.1"), ([IPV6, IPV4], "127.0.0.1"), ([IPV6], "::1")]
)
def test_a_name_leads_to_its_ipv4_address_if_it_has_one(
    monkeypatch: pytest.MonkeyPatch, found: list[Any], address: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert resolve("tickets.example") == address


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_address_stays_as_it_is(host: str) -> None:
    assert resolve(host) == host


def test_a_name_without_an_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SetupError) as refusal:
        check_port(Settings(api_host="tickets.example"), "API_PORT")
    assert str(refusal.value) == (
        "API_HOST='tickets.example' is no address of this machine (Name or service not known)."
    )


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(SetupError, match=r"^API_HOST='192\.0\.2\.1' is no address of this machine"):
        check_port(Settings(api_host="192.0.2.1", api_port=free_port()), "API_PORT")
