"""Everything that depends on Litestar and is not a route."""
