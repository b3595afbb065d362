"""Measures every page with Lighthouse: `make lighthouse`.

The command starts a system with the production build. It opens each page in Chromium several times, as a phone and as
a desktop. The phone has Lighthouse's default throttling. The command prints the scores of the run with the median
performance, and each audit that lowers the score, with its cost. The reports are in `.test-artifacts/lighthouse/`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
from playwright.async_api import async_playwright

from api.schemas import BUILT_IN_EVENT
from tests.conftest import BROWSER_ARGUMENTS, browser_path
from tests.stack import PLAIN_HTTP, ROOT, Stack, cloned_database, embedded_server, prepare_template, temporary_directory
from tests.webapp.appearance import TOOLS

REPORTS = ROOT / ".test-artifacts" / "lighthouse"
Form = Literal["mobile", "desktop"]
FORMS: tuple[Form, ...] = ("mobile", "desktop")
JUDGED = ("accessibility", "best-practices", "seo")
"""The categories that depend on the page alone, and not on the machine."""

AIMS: dict[Form, int] = {"mobile": 85, "desktop": 95}
"""Performance targets of the most visited pages. A missed target is only reported: it also depends on the machine."""
_AIMED_AT = ("home", "event")
_NAMES: dict[Form, str] = {"mobile": "phone", "desktop": "desktop"}

_RUN_TIMEOUT_S = 180.0
# Lighthouse requests another run if it could not record a page load.
_TRIES = 3
_ASKS_FOR_ANOTHER = "Please run Lighthouse again"
_END_WITHIN_S = 10.0
_CLI = TOOLS / "lighthouse" / "cli" / "index.js"
_METRICS = {
    "first-contentful-paint": "FCP",
    "largest-contentful-paint": "LCP",
    "total-blocking-time": "TBT",
    "cumulative-layout-shift": "CLS",
    "speed-index": "SI",
}
# The status of an address that does not exist is 404, whatever these two think of it.
_ABOUT_STATUS = ("http-status-code", "errors-in-console")
_ITEMS_SHOWN = 6
_FACTS_SHOWN = 4


class LighthouseError(Exception):
    """Lighthouse could not be run; the message states the reason."""


@dataclass(frozen=True)
class Address:
    """A page to measure."""

    name: str
    path: str
    exists: bool = True

    @property
    def categories(self) -> tuple[str, ...]:
        """The measured categories. Lighthouse cannot measure the performance of a page with status 404."""
        return ("performance", *JUDGED) if self.exists else JUDGED


def addresses(reference: str) -> tuple[Address, ...]:
    """Return every page; `reference` is that of a booking."""
    return (
        Address("home", "/"),
        Address("event", f"/event/{BUILT_IN_EVENT}"),
        Address("booking", f"/booking/{reference}"),
        Address("bookings", "/bookings"),
        Address("sign-in", "/sign-in"),
        Address("missing", "/no/such/page", exists=False),
    )


async def start_pages(stack: Stack) -> str:
    """Start the web app of a stack whose API runs, at 127.0.0.1; return the reference of a booking made in it."""
    stack.environment["PUBLIC_API_URL"] = stack.api_url
    await stack.start_web()
    async with httpx.AsyncClient(base_url=stack.api_url, timeout=30, verify=PLAIN_HTTP) as http:
        response = await http.post("/api/bookings", json={"tier": "VIP", "quantity": 2, "userId": "user-1"})
    return str(response.raise_for_status().json()["reference"])


def address_of(stack: Stack, address: Address) -> str:
    return f"http://127.0.0.1:{stack.web_port}{address.path}"


async def chromium() -> str:
    """Return the browser's program."""
    async with async_playwright() as playwright:
        return browser_path(playwright)


def judge(
    url: str, address: Address, report: Path, *, browser: str, form: Form = "mobile", categories: Sequence[str] = ()
) -> dict[str, Any]:
    """Run Lighthouse until it has judged the page, and return its result, which is kept in `report`.

    Raises:
        LighthouseError: it is not installed, did not end in time, or could not load the page.
    """
    if not _CLI.is_file():
        raise LighthouseError(f"Lighthouse is missing: `make {TOOLS.relative_to(ROOT)}/.installed` installs it.")
    command = [
        *(str(Path(sys.executable).with_name("node")), str(_CLI), url),
        *("--quiet", "--no-enable-error-reporting", "--output=json", f"--output-path={report}"),
        "--disable-full-page-screenshot",
        f"--only-categories={','.join(categories or address.categories)}",
        f"--chrome-flags={' '.join(('--headless=new', *BROWSER_ARGUMENTS))}",
        *(("--preset=desktop",) if form == "desktop" else ()),
        *(() if address.exists else ("--ignore-status-code", f"--skip-audits={','.join(_ABOUT_STATUS)}")),
    ]
    report.parent.mkdir(parents=True, exist_ok=True)
    for left in reversed(range(_TRIES)):
        report.unlink(missing_ok=True)
        status, output = _run(command, url, browser)
        if not status and report.is_file():
            break
        if not left or _ASKS_FOR_ANOTHER not in output:
            raise LighthouseError(f"{url}: Lighthouse failed.\n{output}")
    result: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return result


def _run(command: Sequence[str], url: str, browser: str) -> tuple[int, str]:
    """Run Lighthouse once; return its exit status and its output."""
    process = subprocess.Popen(
        command,
        env={**os.environ, "CHROME_PATH": browser},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # so that all of it can be ended
    )
    try:
        output, _ = process.communicate(timeout=_RUN_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise LighthouseError(f"{url}: Lighthouse did not end within {_RUN_TIMEOUT_S:.0f} s.") from None
    finally:
        _end(process)
    return process.returncode, output


def _end(process: subprocess.Popen[str]) -> None:
    """End the remaining processes. An interrupt lets Lighthouse close its browser."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(_END_WITHIN_S)
    with contextlib.suppress(ProcessLookupError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def scores(result: dict[str, Any]) -> dict[str, int]:
    """Return the score of each category, of 100."""
    return {name: round((each["score"] or 0) * 100) for name, each in result["categories"].items()}


def failures(result: dict[str, Any]) -> list[str]:
    """Return a text for each failed audit: its category, its title and the failure."""
    texts: dict[str, str] = {}
    for category in result["categories"].values():
        for reference in category["auditRefs"]:
            audit = result["audits"][reference["id"]]
            # Without a score it is not applicable, or information only.
            if audit["score"] is None or audit["score"] >= 1 or audit["scoreDisplayMode"] == "informative":
                continue
            weight = f", weight {reference['weight']}" if reference["weight"] else ""
            title = f"{category['id']}: {audit['title']} ({audit['id']}{weight}) {audit.get('displayValue', '')}"
            lines = [title.rstrip(), *(f"    {line}" for line in _offenders(audit.get("details") or {}))]
            texts[audit["id"]] = "\n".join(lines)
    return list(texts.values())


def _offenders(details: dict[str, Any]) -> list[str]:
    """Return the nodes and resources that an audit names, the first ones."""
    lines = []
    for item in _flat(details.get("items") or []):
        node = item if item.get("type") == "node" else item.get("node")
        url = item.get("url") or (item.get("source") or {}).get("url", "")
        what = node.get("snippet", "") if isinstance(node, dict) else url
        facts = [f"{name} {value:,.0f}" for name, value in item.items() if isinstance(value, int | float) and value > 1]
        words = item.get("description") or item.get("reason") or item.get("groupLabel") or ""
        line = " ".join((str(what)[:160], str(words), *facts[:_FACTS_SHOWN])).strip()
        if line:
            lines.append(line)
    return lines[:_ITEMS_SHOWN]


def _flat(items: Any) -> Iterable[dict[str, Any]]:
    """Walk through the items of tables within lists of sections."""
    for item in items if isinstance(items, list) else [items]:
        if not isinstance(item, dict):
            continue
        inner = item.get("value") if item.get("type") == "list-section" else item
        if isinstance(inner, dict) and isinstance(inner.get("items"), list):
            yield from _flat(inner["items"])
        elif isinstance(inner, dict):
            yield inner


async def _measure(stack: Stack, reference: str, options: argparse.Namespace) -> None:
    browser = await chromium()
    chosen = [each for each in addresses(reference) if not options.only or each.name in options.only.split(",")]
    rows, texts, speeds, missed = [], [], [], []
    for address in chosen:
        for form in FORMS:
            results = []
            for run in range(1, options.runs + 1):
                report = REPORTS / f"{address.name}-{form}-{run}.json"
                results.append(judge(address_of(stack, address), address, report, browser=browser, form=form))
                if "performance" not in address.categories:
                    break
            results.sort(key=lambda result: scores(result).get("performance", 0))
            median = results[len(results) // 2]
            speeds += [result["environment"]["benchmarkIndex"] for result in results]
            if address.name in _AIMED_AT and scores(median).get("performance", 0) < AIMS[form]:
                missed.append(f"{address.name} as a {_NAMES[form]}")
            rows.append(_row(address, form, median, [scores(result).get("performance") for result in results]))
            texts += [f"{address.name}, {form}: {text}" for text in failures(median)]
    _print("\n".join((_HEAD, *rows)))
    aims = ", ".join(f"{aim} as a {_NAMES[form]}" for form, aim in AIMS.items())
    verdict = f"MISSED by {', '.join(missed)}" if missed else "held"
    _print(f"\nThe aim for {' and '.join(_AIMED_AT)}, {aims}: {verdict}.")
    # Other work on the machine lowers this benchmark and every page's performance.
    _print(f"\nLighthouse's benchmark of this machine during the runs: {min(speeds):.0f} to {max(speeds):.0f}.")
    _print("\n" + ("\n\n".join(texts) if texts else "Every audit is passed."))
    _print(f"\nThe reports are in {REPORTS.relative_to(ROOT)}/.")


_HEAD = f"{'page':<9} {'form':<8} {'perf':>4} {'a11y':>4} {'best':>4} {'SEO':>4}  " + " ".join(
    f"{name:>8}" for name in _METRICS.values()
)


def _row(address: Address, form: str, result: dict[str, Any], runs: Sequence[int | None]) -> str:
    found = scores(result)
    columns = (f"{found.get(name, '-'):>4}" for name in ("performance", *JUDGED))
    metrics = (
        f"{result['audits'].get(name, {}).get('displayValue', '-').replace(chr(160), ' '):>8}" for name in _METRICS
    )
    several = f"  (runs: {', '.join(map(str, runs))})" if len(runs) > 1 else ""
    return f"{address.name:<9} {form:<8} {' '.join(columns)}  {' '.join(metrics)}{several}"


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _main(options: argparse.Namespace) -> None:
    with embedded_server() as server, temporary_directory() as directory:
        prepare_template(server)
        with cloned_database(server) as url:
            stack = Stack(url, directory, {"API_WORKERS": "1", "PAYMENT_SUCCESS_RATE": "1"})
            try:
                await stack.start_api()
                await _measure(stack, await start_pages(stack), options)
            finally:
                await stack.stop()


def main(arguments: Sequence[str]) -> int:
    """Measure every page and print the results; return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.webapp.lighthouse", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each page, of which the median counts (3)")
    parser.add_argument("--only", default="", help="names of pages, separated by commas: home,event")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_main(options))
    except LighthouseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
