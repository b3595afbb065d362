"""Imports point downwards only, form no cycle, and keep the API, the web app and Litestar apart."""

import graphlib

import grimp
import pytest
from grimp import ImportGraph, Layer

FOUNDATION = (
    "account_schemas",
    "health_schemas",
    "addresses",
    "config",
    "data_dir",
    "desk_schemas",
    "errors",
    "httpx_patch",
    "logs",
    "metrics",
    "money",
    "process_environment",
    "prometheus_patch",
    "schemas",
    "secret",
    "setting_values",
    "settings",
    "text",
    "tls",
)
"""Modules that may import each other and nothing else of the API."""
LAYERS = (
    *("__main__", "commands", "app", "lifespan", "fast_protocol", "fast_path", "routes", "http"),
    *("services", "payments", "database", "server"),
)
"""Modules and packages of the API, from the top down, above the foundation."""
WITH_LITESTAR = LAYERS[: LAYERS.index("services")]


@pytest.fixture
def graph() -> ImportGraph:
    return grimp.build_graph("api", "webapp", include_external_packages=True, cache_dir=None)


def upward_imports(graph: ImportGraph) -> set[str]:
    """Return the imports that point from a layer to a higher one."""
    layers = [*map(Layer, LAYERS), Layer(*FOUNDATION, independent=False)]
    upward = graph.find_illegal_dependencies_for_layers(layers=layers, containers={"api"})
    return {f"{dependency.importer} imports {dependency.imported}" for dependency in upward}


def forbidden_imports(graph: ImportGraph, package: str, forbidden: set[str]) -> set[str]:
    """Return the direct imports of a package's modules from forbidden top-level packages."""
    return {
        f"{importer} imports {imported}"
        for importer in {package} | graph.find_descendants(package)
        for imported in graph.find_modules_directly_imported_by(importer)
        if imported.partition(".")[0] in forbidden
    }


def sort_by_imports(graph: ImportGraph) -> None:
    """Sort the project's modules by their imports.

    Raises:
        graphlib.CycleError: the imports form a cycle; the error lists its modules.
    """
    modules = {module for module in graph.modules if module.partition(".")[0] in ("api", "webapp")}
    imports = {module: graph.find_modules_directly_imported_by(module) & modules for module in modules}
    graphlib.TopologicalSorter(imports).prepare()


def test_every_module_of_the_api_belongs_to_a_layer(graph: ImportGraph) -> None:
    assert graph.find_children("api") <= {f"api.{name}" for name in (*LAYERS, *FOUNDATION)}


def test_imports_point_downwards(graph: ImportGraph) -> None:
    assert upward_imports(graph) == set()


def test_imports_form_no_cycle(graph: ImportGraph) -> None:
    sort_by_imports(graph)


@pytest.mark.parametrize(
    ("package", "forbidden"), [("api", {"webapp", "reflex", "tests"}), ("webapp", {"api", "tests"})]
)
def test_api_and_web_app_are_independent(graph: ImportGraph, package: str, forbidden: set[str]) -> None:
    assert forbidden_imports(graph, package, forbidden) == set()


def test_services_and_lower_layers_are_independent_of_litestar(graph: ImportGraph) -> None:
    lower = graph.find_children("api") - {f"api.{name}" for name in WITH_LITESTAR}
    assert set().union(*(forbidden_imports(graph, package, {"litestar"}) for package in lower)) == set()


def test_an_upward_import_is_reported(graph: ImportGraph) -> None:
    graph.add_import(importer="api.services.orders", imported="api.routes.bookings")
    assert upward_imports(graph) == {"api.services imports api.routes"}


def test_a_cycle_is_reported(graph: ImportGraph) -> None:
    graph.add_import(importer="api.database.pool", imported="api.database.session")
    with pytest.raises(graphlib.CycleError):
        sort_by_imports(graph)


def test_a_forbidden_import_is_reported(graph: ImportGraph) -> None:
    graph.add_import(importer="webapp.client", imported="api.config")
    assert forbidden_imports(graph, "webapp", {"api", "tests"}) == {"webapp.client imports api.config"}


def test_a_module_of_services_that_imports_litestar_is_reported(graph: ImportGraph) -> None:
    graph.add_import(importer="api.services.orders", imported="litestar")
    assert forbidden_imports(graph, "api.services", {"litestar"}) == {"api.services.orders imports litestar"}
