"""Accessibility, best practices and search engines: Lighthouse finds nothing to be done better on any page.

How fast the pages are depends on the machine too: `make lighthouse` measures it.
"""

import pytest

from tests.conftest import StartStack
from tests.webapp.lighthouse import (
    JUDGED,
    REPORTS,
    LighthouseError,
    address_of,
    addresses,
    chromium,
    failures,
    judge,
    scores,
    start_pages,
)


# Five runs of Lighthouse, each in a browser of its own.
@pytest.mark.timeout(600)
async def test_every_page_has_full_marks(start_stack: StartStack) -> None:
    stack = await start_stack(env={"PAYMENT_SUCCESS_RATE": "1"})
    reference, browser = await start_pages(stack), await chromium()
    wrong = []
    for address in addresses(reference):
        report = REPORTS / f"test-{address.name}.json"
        try:
            result = judge(address_of(stack, address), address, report, browser=browser, categories=JUDGED)
        except LighthouseError as error:
            wrong.append(str(error))
            continue
        if set(scores(result).values()) != {100}:
            wrong += [f"{address.name}: {scores(result)}", *failures(result)]
    assert not wrong, "\n\n".join(wrong)
