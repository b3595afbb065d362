"""The load test of the web app; see `__main__`."""
