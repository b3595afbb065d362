"""`make bench`: what the system does a second, measured on throw-away servers of its own."""

SECTIONS = ("ceiling", "reads", "mix", "reference", "claims")
"""What can be measured by itself, in this order."""
SECONDS_MAX = 60.0
"""The longest that one run may take."""
