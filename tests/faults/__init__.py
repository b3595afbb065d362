"""Faults: real processes are killed, frozen and cut off under load, and no promise is broken."""
