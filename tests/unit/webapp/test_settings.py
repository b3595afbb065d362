"""The web app accepts and refuses the same values as the API, and brings them into the same form."""

import socket
from dataclasses import astuple
from pathlib import Path

import pytest

from api.config import Settings
from api.errors import ConfigError
from tests.stack import free_port
from tests.unit.config.test_config import VARIABLES, Variable
from webapp.serve import ServeError, resolve_free
from webapp.settings import PageSettings, SettingError, StaffSettings, address, runtime_dir

SHARED = (
    *("API_HOST", "API_PORT", "WEB_PORT", "PUBLIC_API_URL", "GUEST_ORDERS"),
    *("STAFF_PORT", "PUBLIC_STAFF_URL", "STAFF_CONNECTIONS_MAX", "WEB_ORIGINS"),
    *("STAFF_MESSAGES_PER_S", "STAFF_MESSAGES_BURST", "STAFF_STATES_MAX"),
    *("STAFF_REFUSALS_PER_MINUTE", "STAFF_REQUESTS_PER_MINUTE", "TRUSTED_PROXIES"),
)
REFUSED_URLS = ["https://ann:sentinel@a.example", "https://a.example?key=sentinel", "https://a.example#sentinel"]


def api_values(environ: dict[str, str]) -> tuple[object, ...] | str:
    try:
        settings = Settings.from_env(environ)
    except ConfigError as error:
        return str(error)
    pages = settings.api_host, settings.web_port, settings.api_url, settings.has_open_orders
    staff = settings.staff_server_port, settings.staff_url, settings.staff_connections_max, settings.allowed_origins
    limits = settings.staff_messages_per_s, settings.staff_messages_burst, settings.staff_states_max
    quotas = settings.staff_refusals_per_minute, settings.staff_requests_per_minute
    return *pages, *staff, settings.local_url(settings.api_port), *limits, *quotas, settings.trusted_networks


def page_values() -> tuple[object, ...] | str:
    try:
        page, staff = PageSettings.from_env(), StaffSettings.from_env()
        of_staff = staff.port, page.staff_url, staff.connections.connections_max, list(staff.origins)
        return (
            *address(),
            page.api_url,
            page.open_orders,
            *of_staff,
            staff.api_url,
            *astuple(staff.limits),
            staff.trusted,
        )
    except SettingError as error:
        return str(error)


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SHARED, "DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "variable", [variable for variable in VARIABLES if variable.name in SHARED], ids=lambda v: v.name
)
def test_both_read_a_variable_alike(monkeypatch: pytest.MonkeyPatch, variable: Variable) -> None:
    name, good, bad = variable.name, variable.good, variable.bad
    for text in (
        "",
        "  ",
        *good,
        *(f" {text}\n" for text in good),
        *bad,
        *(REFUSED_URLS if name.endswith("URL") else ()),
    ):
        monkeypatch.setenv(name, text)
        assert page_values() == api_values({name: text}), text
        if text in bad:
            assert isinstance(page_values(), str)


def test_both_have_the_same_defaults() -> None:
    assert page_values() == api_values({})
    assert page_values()[:6] == ("127.0.0.1", 3000, "http://localhost:3001", True, 3005, "http://localhost:3005")


def test_a_home_directory_is_expanded_alike(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DATA_DIR", "~/data")
    assert runtime_dir(5) == tmp_path / "data" / "run" / "web-5"
    assert Settings.from_env({"DATA_DIR": "~/data"}).data_dir == tmp_path / "data"


@pytest.mark.parametrize("text", ["~no-such-user/data", "/data/\udcff"], ids=["unknown user", "not UTF-8"])
def test_an_impossible_directory_is_refused_alike(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DATA_DIR", text)
    message = f"DATA_DIR={text!r} is not allowed: it must be a directory, in UTF-8."
    for error, read in (SettingError, lambda: runtime_dir(5)), (ConfigError, Settings.from_env):
        with pytest.raises(error) as refusal:
            read()
        assert str(refusal.value) == message


def test_an_unusable_host_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ServeError, match=r"^Port \d+ on 192\.0\.2\.1 cannot be used: [^.]*\.$"):
        resolve_free("192.0.2.1", free_port(), "WEB_PORT")

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(ServeError) as refusal:
        resolve_free("tickets.example", 3000, "WEB_PORT")
    assert str(refusal.value) == "API_HOST='tickets.example' has no address (Name or service not known)."


def test_a_taken_port_is_refused_with_the_name_of_its_variable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServeError) as refusal:
            resolve_free("127.0.0.1", port, "STAFF_PORT")
    reason = "Address already in use. Choose another with STAFF_PORT."
    assert str(refusal.value) == f"Port {port} on 127.0.0.1 cannot be used: {reason}"


@pytest.mark.parametrize(("api_port", "staff_port"), [(3001, 3005), (65531, 65535), (65532, 65528), (65535, 65531)])
def test_the_port_of_the_staff_pages_exists_beside_every_port_of_the_api(
    monkeypatch: pytest.MonkeyPatch, api_port: int, staff_port: int
) -> None:
    monkeypatch.setenv("API_PORT", str(api_port))
    settings = Settings(api_port=api_port)
    assert StaffSettings.from_env().port == settings.staff_server_port == staff_port
    assert max(settings.mailbox_ports) <= 65535
    assert len({api_port, staff_port, *settings.mailbox_ports}) == 4


@pytest.mark.parametrize(
    ("provider", "url", "charges"),
    [("", "", False), ("simulator", "", False), ("stripe", "http://127.0.0.1:3002", False), ("stripe", "", True)],
)
def test_only_pages_for_stripe_itself_take_money(
    monkeypatch: pytest.MonkeyPatch, provider: str, url: str, *, charges: bool
) -> None:
    monkeypatch.setenv("PAYMENT_PROVIDER", provider)
    monkeypatch.setenv("STRIPE_API_URL", url)
    assert PageSettings.from_env().charges == charges


def test_an_unknown_provider_is_refused_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENT_PROVIDER", "cash")
    assert page_values() == api_values({"PAYMENT_PROVIDER": "cash"})
