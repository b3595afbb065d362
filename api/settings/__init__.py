"""The settings in groups. `api.config` combines them."""
