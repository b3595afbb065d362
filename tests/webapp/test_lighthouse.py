"""Accessibility, best practices and search engines: Lighthouse finds nothing to be done better on any page.

How fast the pages are depends on the machine too: `make lighthouse` measures it.
"""

import asyncio

import pytest

from tests.conftest import StartStack
from tests.webapp.lighthouse import (
    JUDGED,
    REPORTS,
    Address,
    LighthouseError,
    address_of,
    addresses,
    chromium,
    failures,
    judge,
    scores,
    start_pages,
)


# Six runs of Lighthouse, each in a browser of its own.
@pytest.mark.timeout(600)
async def test_every_page_has_full_marks(start_stack: StartStack) -> None:
    stack = await start_stack(env={"PAYMENT_SUCCESS_RATE": "1"})
    reference, browser = await start_pages(stack), await chromium()

    def fault(address: Address) -> str:
        report = REPORTS / f"test-{address.name}.json"
        try:
            result = judge(address_of(stack, address), address, report, browser=browser, categories=JUDGED)
        except LighthouseError as error:
            return str(error)
        marks = scores(result)
        return "" if set(marks.values()) == {100} else "\n\n".join([f"{address.name}: {marks}", *failures(result)])

    # All at once, for most of a run is waiting; how fast the pages are is not judged.
    faults = await asyncio.gather(*(asyncio.to_thread(fault, address) for address in addresses(reference)))
    assert not any(faults), "\n\n".join(filter(None, faults))
