"""The chips of a basket: entries with their tier, their price and a button that removes them."""

from tests.webapp.words import words

CHIPS = ".picks li"
PRICES = {"VIP": 100, "Front Row": 50, "GA": 10}


def tickets(quantity: int, tier: str) -> str:
    """Return the text of tickets by number."""
    return f"{words('summary.tickets', quantity=quantity, tier=tier)} ${quantity * PRICES[tier]}"


def seat(tier: str, row: str, number: int) -> str:
    """Return the text of a picked seat."""
    return f"{words('basket.seat', tier=tier, row=row, number=number)} ${PRICES[tier]}"
