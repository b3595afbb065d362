"""The layout of a message as HTML and as plain text, from the same content."""

from collections.abc import Sequence
from html import escape

import msgspec

from api.services.mail.texts import ISOLATE, Texts

_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,Arial,sans-serif"
_PAGE = f"margin:0;padding:24px;background:#f4f4f5;color:#18181b;{_FONT};font-size:16px;line-height:1.5"
_CARD = "max-width:560px;margin:0 auto;padding:24px;background:#ffffff;border-radius:12px"
_SMALL = "color:#52525b;font-size:14px"
_VALUE = "margin:0 0 12px;overflow-wrap:anywhere;word-break:break-word"
"""A phone breaks a reference, which would otherwise widen the whole message. Some programs know one rule only."""
_BUTTON = (
    "display:inline-block;padding:12px 20px;border-radius:8px;background:#1d4ed8;color:#ffffff;"
    "text-decoration:none;font-weight:600"
)


class Fact(msgspec.Struct, frozen=True):
    """A label with its value; a value may have several lines."""

    label: str
    value: str


class Content(msgspec.Struct, frozen=True):
    """The content of a message in the language of its reader."""

    heading: str
    paragraphs: Sequence[str]
    facts: Sequence[Fact]
    codes: Sequence[Fact]
    """The caption and the code of each ticket. The image of the n-th one has the content id `ticket-n`."""
    links: Sequence[Fact]
    """The labels and the addresses of pages, with a secret."""
    notes: Sequence[str]
    """Sentences about the message itself, at its end."""


def to_text(content: Content, texts: Texts) -> str:
    """Return a message as plain text."""
    facts = [f"{fact.label}: {_lines(fact.value, texts)}" for fact in content.facts]
    codes = [f"{code.label}\n{code.value}" for code in content.codes]
    links = "\n\n".join(f"{link.label}:\n{link.value}" for link in content.links)
    parts = [content.heading, *content.paragraphs, "\n".join(facts), *codes, links, "\n".join(content.notes)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _lines(value: str, texts: Texts) -> str:
    """Return a value for plain text. Several lines start below their label."""
    lines = [texts.isolated(line) for line in value.split("\n")]
    return lines[0] if len(lines) == 1 else "".join(f"\n  {line}" for line in lines)


def to_html(content: Content, texts: Texts) -> str:
    """Return a message as HTML with inline styles, because programs for e-mail ignore style sheets."""
    paragraphs = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in content.paragraphs)
    facts = "".join(
        f'<dt style="{_SMALL}">{escape(fact.label)}</dt><dd style="{_VALUE}">{_value(fact.value)}</dd>'
        for fact in content.facts
    )
    facts = f"<dl>{facts}</dl>" if facts else ""
    codes = "".join(
        f'<p><b>{_value(code.label)}</b><br><img src="cid:ticket-{line}" alt="{escape(code.value)}" width="200" '
        f'height="200"><br><span style="{_SMALL}"><bdi>{escape(code.value)}</bdi></span></p>'
        for line, code in enumerate(content.codes, start=1)
    )
    links = "".join(
        f'<p><a href="{escape(link.value)}" style="{_BUTTON}">{_value(link.label)}</a></p>' for link in content.links
    )
    notes = "<br>".join(escape(note) for note in content.notes)
    return (
        f'<!doctype html><html lang="{texts.locale}" dir="{texts.direction}"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(content.heading)}</title></head>'
        f'<body style="{_PAGE}"><div style="{_CARD}"><h1 style="margin-top:0;font-size:24px">'
        f"{escape(content.heading)}</h1>{paragraphs}{facts}{codes}"
        f'{links}<p style="{_SMALL}">{notes}</p></div></body></html>\n'
    )


def _value(value: str) -> str:
    """Return the lines of a value, each with its own direction. A line with isolated parts has that of the message."""
    return "<br>".join(escape(line) if ISOLATE in line else f"<bdi>{escape(line)}</bdi>" for line in value.split("\n"))
