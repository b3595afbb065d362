"""Journeys over HTTP through running systems."""
