"""Settings of e-mails: addresses of mail servers and senders, refused without showing a password."""

import pytest

from api.config import Settings
from api.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("smtp://mail.example.org", "smtp://mail.example.org"),
        ("smtps://Mail.Example.org:465/", "smtps://mail.example.org:465"),
        ("smtp://ann%40example.org:a%2Fb@mail.example.org:587", "smtp://ann%40example.org:a%2Fb@mail.example.org:587"),
        ("smtp://[::1]:2525", "smtp://[::1]:2525"),
        ("smtp://b\u00fccher.example", "smtp://xn--bcher-kva.example"),
    ],
)
def test_the_address_of_a_mail_server_is_brought_into_one_form(text: str, server: str) -> None:
    assert Settings.from_env({"SMTP_URL": text}).mail_server == server


@pytest.mark.parametrize(
    "text",
    [
        *("mail.example.org", "http://mail.example.org", "smtp://", "smtp:///path", "smtp://mail.example.org/path"),
        *("smtp://mail.example.org?tls=1", "smtp://mail.example.org#x", "smtp://ann@mail.example.org"),
        *("smtp://:sentinel@mail.example.org", "smtp://ann:senti/nel@mail.example.org", "smtp://a:b@c:d@e"),
        *("smtp://mail.example.org:0", "smtp://mail.example.org:70000", "smtp://ann:sentinel%zz@mail.example.org"),
        *("smtp://mail .example.org", "smtp://mail_.example.org\\x"),
    ],
)
def test_another_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({"SMTP_URL": text})
    assert str(refusal.value).startswith("SMTP_URL is not allowed: it must be an smtp or smtps address such as ")
    assert "sentinel" not in str(refusal.value)


def test_the_mailbox_is_the_default_server_and_its_port_is_a_setting() -> None:
    assert Settings().mail_server == "smtp://127.0.0.1:3003"
    assert Settings.from_env({"MAILBOX_PORT": "4003"}).mail_server == "smtp://127.0.0.1:4003"


def test_the_sender_belongs_to_the_host_of_the_web_app() -> None:
    assert Settings().sender_address == "tickets@localhost"
    assert (
        Settings(public_web_url="https://tickets.example.org:8443/shop").sender_address == "tickets@tickets.example.org"
    )
    assert Settings.from_env({"MAIL_FROM": "box@office.example"}).sender_address == "box@office.example"


@pytest.mark.parametrize("text", ["box", "box@", "Box Office <box@office.example>", "a@b@c", "b\u00f6x@office.example"])
def test_a_sender_that_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="MAIL_FROM"):
        Settings.from_env({"MAIL_FROM": text})


def test_the_password_of_the_mail_server_is_not_shown() -> None:
    assert "sentinel" not in repr(Settings(smtp_url="smtps://ann:sentinel@mail.example.org"))
