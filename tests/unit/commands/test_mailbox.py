"""The mailbox for development: it keeps messages, and its pages run nothing of them."""

import asyncio
import base64
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import Envelope
from litestar import Litestar
from litestar.testing import TestClient

from api.commands import mailbox, ports
from api.config import Settings
from tests.stack import free_port

PNG = b"\x89PNG"
SCRIPT = "<script>alert(1)</script>"


def message(subject: str = "Your tickets") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "tickets@example.org", "ann@example.org"
    mail.set_content(f"Open http://localhost:3000/booking/a#secret\n{SCRIPT}\n")
    mail.add_alternative(f'<html><head></head><body>{SCRIPT}<img src="cid:code"></body></html>', subtype="html")
    html = mail.get_body(("html",))
    assert html is not None
    html.add_related(PNG, "image", "png", cid="<code>")
    mail.add_attachment(b"BEGIN:VCALENDAR", "text", "calendar", filename="a.ics")
    return mail


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings(mailbox_port=free_port())


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient[Litestar]]:
    with TestClient(mailbox.create_app(settings), base_url="http://127.0.0.1:3004") as client:
        with smtplib.SMTP("127.0.0.1", settings.mailbox_port) as smtp:
            smtp.send_message(message())
        yield client


def test_the_list_links_to_each_message(client: TestClient[Litestar]) -> None:
    page = client.get("/").text
    assert '<a href="/mails/1"><bdi>Your tickets</bdi></a>' in page
    assert "ann@example.org" in page


def test_a_message_shows_its_text_with_links_and_no_markup(client: TestClient[Litestar]) -> None:
    page = client.get("/mails/1").text
    assert '<a href="http://localhost:3000/booking/a#secret" target="_blank" rel="noreferrer">' in page
    assert SCRIPT not in page
    assert "&lt;script&gt;" in page


def test_pages_fit_a_phone_and_request_no_icon(client: TestClient[Litestar]) -> None:
    for path in ("/", "/mails/1"):
        response = client.get(path)
        assert '<meta name="viewport" content="width=device-width">' in response.text
        assert '<link rel="icon" href="data:,">' in response.text
        assert "img-src data:" in response.headers["Content-Security-Policy"]


def test_a_wrong_address_is_refused(client: TestClient[Litestar], settings: Settings) -> None:
    listed = client.get("/").text
    mail = message("To nobody")
    mail.replace_header("To", "ann@example.INVALID")
    smtp = smtplib.SMTP("127.0.0.1", settings.mailbox_port)
    with smtp, pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        smtp.send_message(mail)
    assert refused.value.recipients["ann@example.INVALID"][0] == 550
    assert client.get("/").text == listed


def test_the_html_of_a_message_has_its_images_and_runs_no_script(client: TestClient[Litestar]) -> None:
    response = client.get("/mails/1/html")
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "sandbox allow-popups allow-popups-to-escape-sandbox" in policy
    assert "script" not in policy
    assert f'src="data:image/png;base64,{base64.b64encode(PNG).decode()}"' in response.text
    assert '<base target="_blank">' in response.text


def test_an_attachment_is_downloaded(client: TestClient[Litestar]) -> None:
    response = client.get("/mails/1/attachments/0")
    assert response.content.strip() == b"BEGIN:VCALENDAR"
    assert response.headers["Content-Disposition"] == 'attachment; filename="a.ics"'
    assert client.get("/mails/1/attachments/1").status_code == 404
    assert client.get("/mails/99").status_code == 404


def test_a_page_of_another_host_cannot_read_the_mailbox(client: TestClient[Litestar]) -> None:
    assert client.get("/", headers={"Host": "attacker.example:3004"}).status_code == 403


def test_the_oldest_messages_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "KEPT_MAX", 2)
    box = mailbox.Mailbox()
    envelope = Envelope()
    envelope.content = message().as_bytes()
    for _ in range(3):
        asyncio.run(box.handle_DATA(None, None, envelope))  # type: ignore[arg-type]
    assert list(box.stored) == [2, 3]


def test_the_ports_of_the_mailbox_and_of_staff_give_way_unless_they_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_is_free", lambda port, _: port not in (3003, 3004, 3006))
    chosen = ports.choose_ports(Settings(web_port=3005))
    assert (*chosen.mailbox_ports, chosen.staff_port) == (3007, 3008, 3009)
    chosen = ports.choose_ports(Settings(web_port=3005, mailbox_port=3003))
    assert chosen.mailbox_ports == (3003, 3007)


def test_the_ports_of_the_mailbox_follow_that_of_the_api() -> None:
    assert Settings(api_port=4001).mailbox_ports == (4003, 4004)
    assert Settings(api_port=4001, mailbox_web_port=5000).mailbox_ports == (4003, 5000)
