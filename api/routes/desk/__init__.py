"""Routes of staff, below one path."""
