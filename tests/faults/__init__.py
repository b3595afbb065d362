"""Fault tests: real processes and networks fail under load, and every response stays true."""
