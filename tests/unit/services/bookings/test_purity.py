"""The decisions about bookings do no I/O: their modules import neither the database nor an event loop."""

import grimp
import pytest

PURE = ("model", "allocation", "allowance", "refusals", "seating", "shares", "quantities", "ticket_allowance")
WITH_IO = ("api.database", "psycopg", "asyncio", "httpx")


@pytest.fixture
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("api", include_external_packages=True, cache_dir=None)


def imports_with_io(graph: grimp.ImportGraph, module: str) -> set[str]:
    """Return the modules with I/O that a module of the bookings imports, directly or indirectly."""
    imported = graph.find_upstream_modules(f"api.services.bookings.{module}")
    return {name for name in imported if any(f"{name}.".startswith(f"{ban}.") for ban in WITH_IO)}


@pytest.mark.parametrize("module", PURE)
def test_a_decision_does_no_io(graph: grimp.ImportGraph, module: str) -> None:
    assert imports_with_io(graph, module) == set()


def test_a_module_with_io_is_found(graph: grimp.ImportGraph) -> None:
    assert {"api.database.session", "psycopg"} <= imports_with_io(graph, "prefetch")
