"""The pages of the mailbox as HTML. Every value is escaped, and no page has a script."""

import base64
import re
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from html import escape
from typing import NamedTuple

_STYLE = (
    "body{font-family:system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;line-height:1.5}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:start;padding:.4rem .8rem .4rem 0;vertical-align:top;"
    "border-bottom:1px solid #d4d4d8}pre{white-space:pre-wrap;overflow-wrap:anywhere}"
    "td,h1{overflow-wrap:anywhere}iframe{width:100%;height:48rem;border:1px solid #d4d4d8}"
    "@media(max-width:40rem){body{margin:1rem auto}tr{display:block;padding:.4rem 0;border-bottom:1px solid #d4d4d8}"
    "td,th{display:block;padding:0;border:0}.list th{display:none}}"
)
_HEADERS = ("From", "To", "Subject", "Date", "Message-ID")
_ADDRESS = re.compile(r"https?://[^\s<>]+")
_CONTENT_ID = re.compile(r'src="cid:([^"]+)"')


class Row(NamedTuple):
    """A message in the list."""

    number: int
    received_at: datetime
    recipients: str
    subject: str


def render_list(rows: Sequence[Row]) -> str:
    """Return the page with the list of messages."""
    lines = "".join(
        f"<tr><td>{row.received_at:%Y-%m-%d %H:%M:%S} UTC</td><td>{escape(row.recipients)}</td>"
        f'<td><a href="/mails/{row.number}"><bdi>{escape(row.subject) or "(no subject)"}</bdi></a></td></tr>'
        for row in rows
    )
    table = f'<table class="list"><tr><th>Received</th><th>To</th><th>Subject</th></tr>{lines}</table>'
    empty = "<p>No message has arrived since the start of the mailbox. Reload this page to look again.</p>"
    return _page("Mailbox", table if rows else empty)


def render_message(number: int, mail: EmailMessage) -> str:
    """Return the page of a message."""
    headers = "".join(
        f"<tr><th>{name}</th><td><bdi>{escape(str(mail[name] or ''))}</bdi></td></tr>" for name in _HEADERS
    )
    attachments = "".join(
        f'<li><a href="/mails/{number}/attachments/{index}">{escape(part.get_filename() or "attachment")}</a></li>'
        for index, part in enumerate(mail.iter_attachments())
    )
    text = _ADDRESS.sub(
        lambda found: f'<a href="{found[0]}" target="_blank" rel="noreferrer">{found[0]}</a>',
        escape(_body(mail, "plain")),
    )
    return _page(
        str(mail["Subject"] or "(no subject)"),
        f'<p><a href="/">All messages</a></p><table>{headers}</table><ul>{attachments}</ul>'
        f'<iframe title="HTML" src="/mails/{number}/html"></iframe><h2>Plain text</h2><pre dir="auto">{text}</pre>',
    )


def render_html(mail: EmailMessage) -> str:
    """Return the HTML of a message with its images inside. Its links open another page."""
    body = mail.get_body(("related", "html"))
    images = {} if body is None else {part["Content-ID"]: part for part in body.walk() if part["Content-ID"]}

    def embed(found: re.Match[str]) -> str:
        part = images.get(f"<{found[1]}>")
        if part is None or part.get_content_maintype() != "image":
            return 'src=""'
        encoded = base64.b64encode(part.get_content()).decode()
        return f'src="data:{part.get_content_type()};base64,{encoded}"'

    content = _CONTENT_ID.sub(embed, _body(mail, "html"))
    return content.replace("<head>", '<head><base target="_blank">', 1)


def _body(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    return "" if body is None else str(body.get_content())


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        # Browsers request an icon from a page that names none, and report the missing one.
        '<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title>"
        f"<style>{_STYLE}</style></head><body><h1><bdi>{escape(title)}</bdi></h1>{content}</body></html>"
    )
