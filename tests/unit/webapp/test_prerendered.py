"""The site's pages have the settings of an installation; a page that lacks a replaced text is refused."""

from pathlib import Path

import pytest

from webapp.build import BuildError
from webapp.prerendered import DEMONSTRATION, write_site
from webapp.settings import PageSettings

HEAD = "<head>"
SHEET = '<link rel="stylesheet" href="/assets/style.css"/>'
PRELOAD = '<link rel="modulepreload" href="/assets/entry.js"/>'
TITLE = "<title>Tickets</title></head>"
SETTINGS = '<div id="settings" data-settings="{}"></div>'
SCROLL_ERROR = "console.error(error); sessionStorage.removeItem(storageKey);"
PAGE = f"<html>{HEAD}{SHEET}{PRELOAD}{TITLE}<body>{SETTINGS}<script>{SCROLL_ERROR}</script></body></html>"


def write(page: str, directory: Path, name: str = "index.html", *, charges: bool = False) -> str:
    """Write the site of a build with one page; return the completed page."""
    build, site = directory / "build", directory / "site"
    (build / "assets").mkdir(parents=True)
    (build / "assets" / "style.css").write_text("p{color:red}")
    (build / name).write_text(page)
    write_site(build, site, PageSettings(api_url="http://localhost:3001", charges=charges))
    return (site / name).read_text()


def test_a_page_gets_the_settings_the_style_and_a_policy(tmp_path: Path) -> None:
    page = write(PAGE, tmp_path)
    assert "http://localhost:3001&quot;" in page
    assert "<style>p{color:red}</style><title>" in page
    assert '<link media="print" rel="stylesheet"' in page
    assert '<link fetchpriority="low" rel="modulepreload"' in page
    assert '<head><meta charset="utf-8"/><meta http-equiv="Content-Security-Policy"' in page
    assert "sessionStorage" not in page


def test_a_site_that_takes_money_does_not_call_itself_a_demonstration(tmp_path: Path) -> None:
    hidden = f".{DEMONSTRATION}{{display:none}}</style>"
    assert hidden not in write(PAGE, tmp_path / "simulated")
    assert hidden in write(PAGE, tmp_path / "charged", charges=True)


@pytest.mark.parametrize("text", [HEAD, SHEET, PRELOAD, TITLE, SETTINGS, SCROLL_ERROR])
def test_a_page_without_a_replaced_text_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BuildError, match=r"adapt webapp/prerendered\.py, which looks for "):
        write(PAGE.replace(text, ""), tmp_path)


def test_the_page_of_unknown_addresses_needs_no_scroll_position(tmp_path: Path) -> None:
    assert "<style>" in write(PAGE.replace(SCROLL_ERROR, ""), tmp_path, "404.html")


def worker_of(directory: Path, page: str = PAGE) -> str:
    write(page, directory)
    return (directory / "site" / "sw.js").read_text()


def test_the_service_worker_names_the_files_of_its_build(tmp_path: Path) -> None:
    first = worker_of(tmp_path / "first")
    assert '"/assets/style.css"' in first
    assert worker_of(tmp_path / "same") == first


def test_another_build_has_another_service_worker(tmp_path: Path) -> None:
    build = tmp_path / "build"
    for name in ("assets", "booking/_"):
        (build / name).mkdir(parents=True)
    (build / "assets" / "style.css").write_text("p{color:red}")
    workers = []
    for text in ("one", "other"):
        (build / "booking" / "_" / "index.html").write_text(PAGE.replace("<body>", f"<body>{text}"))
        for api_url in ("http://localhost:3001", "http://localhost:4001"):
            site = tmp_path / f"{text}-{api_url[-4:]}"
            write_site(build, site, PageSettings(api_url=api_url))
            workers.append((site / "sw.js").read_text())
    assert len(set(workers)) == 4
