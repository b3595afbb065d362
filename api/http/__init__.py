"""HTTP: all code that depends on Litestar, except for the routes."""
