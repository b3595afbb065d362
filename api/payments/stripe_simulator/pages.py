"""The hosted page on which a buyer pays a Checkout Session."""

from html import escape
from typing import Any

from api.money import format_amount
from api.payments.minor_units import from_stripe

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Simulated payment</title>
<link rel="icon" href="data:,"><style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }}
button {{ min-height: 44px; margin: 0 8px 8px 0; padding: 0 16px; font: inherit; }}
</style></head>
<body>
<main>
<h1>Simulated payment</h1>
{content}
</main>
</body>
</html>
"""
_FORM = """<p>{amount}. No money moves.</p>
<form method="post">
<button name="outcome" value="captured">Pay</button>
<button name="outcome" value="declined">Pay with a declined card</button>
<button name="outcome" value="disputed">Pay and dispute</button>
</form>
{back}"""


def pay_page(session: dict[str, Any], message: str = "") -> str:
    """Return the page of a session; only an open one has a form."""
    parts = [f'<p role="alert">{escape(message)}</p>'] if message else []
    if session["status"] == "open":
        amount = from_stripe(session["amount_total"], session["currency"])
        back = f'<p><a href="{escape(session["cancel_url"])}">Back to the shop</a></p>' if session["cancel_url"] else ""
        parts.append(_FORM.format(amount=escape(format_amount(amount.minor, amount.currency)), back=back))
    else:
        parts.append("<p>This payment can no longer be made.</p>")
    return _PAGE.format(content="\n".join(parts))
