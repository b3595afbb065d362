"""`make bench`: throughput and latency of the system, measured on throw-away servers."""

SECTIONS = ("ceiling", "reads", "fast-path", "mix", "reference", "claims")
"""Sections of the benchmark, in the order of their runs."""
SECONDS_MAX = 60.0
"""The longest measured run, in seconds."""
COMPARED = ("ceiling", "reads", "mix")
"""Sections that `--against` compares."""
RUNS_MAX = 20
"""The most runs of each measurement."""
