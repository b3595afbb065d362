"""The tests, from the quickest kind to the slowest."""
