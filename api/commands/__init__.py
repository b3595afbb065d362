"""The commands of `python -m api`, one module each."""
