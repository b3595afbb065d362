"""One file for each promise that must hold when many act at once."""
