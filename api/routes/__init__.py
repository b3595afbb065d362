"""Routes: decode, one call of a service, encode."""
