"""Other hands in a page: a translator that replaces every text, and an extension that adds elements to a form."""

import json

from playwright.async_api import Locator, Page, Route

STYLES = ("replace", "insert_then_remove", "remove_then_insert", "several", "wrap")
"""Ways in which translators and extensions put their elements in the place of a text. Chrome's is `replace`."""

_MARK = "\u2039"
# Translate every text of the page; see `translate`. Texts of scripts and styles are not visible, and a drawing has no
# place for HTML.
_TRANSLATE = """({ style, mark, follow }) => {
    const font = (...content) => {
        const [inner, outer] = [document.createElement("font"), document.createElement("font")];
        inner.append(...content);
        outer.append(inner);
        return outer;
    };
    const styles = {
        replace: (text) => text.replaceWith(font(mark + text.data)),
        insert_then_remove: (text) => { text.before(font(mark + text.data)); text.remove(); },
        remove_then_insert: (text) => {
            const { parentNode, nextSibling } = text;
            text.remove();
            parentNode.insertBefore(font(mark + text.data), nextSibling);
        },
        several: (text) => text.replaceWith(font(mark), font(text.data)),
        wrap: (text) => { const outer = font(); text.replaceWith(outer); outer.firstChild.append(text); },
    };
    const translateAll = () => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const texts = [];
        while (walker.nextNode()) texts.push(walker.currentNode);
        texts.filter((text) => text.data.trim() && !text.parentElement.closest("script, style, font, svg"))
            .forEach(styles[style]);
    };
    translateAll();
    if (follow) new MutationObserver(translateAll).observe(document.body, { subtree: true, childList: true });
}"""

# A password manager moves the input into an element of its own, and adds a button to it and to the form.
_DECORATE = """(input) => {
    const button = () => Object.assign(document.createElement("x-manager"), { textContent: "\U0001f511" });
    const wrapper = document.createElement("x-manager");
    input.replaceWith(wrapper);
    wrapper.append(button(), input);
    input.form.prepend(button());
    input.form.append(button());
    document.body.append(button());
    input.setAttribute("data-manager", "on");
}"""


async def translate(page: Page, style: str = "replace", *, follow: bool = False) -> None:
    """Translate the texts of a page, and with `follow` also those that appear later. The words stay the same."""
    await page.evaluate(_TRANSLATE, {"style": style, "mark": _MARK, "follow": follow})


async def translate_early(page: Page) -> None:
    """Translate the next document of a page before its scripts run, and follow its changes."""
    options = json.dumps({"style": "replace", "mark": _MARK, "follow": True})
    await page.add_init_script(
        f"document.addEventListener('readystatechange', () => ({_TRANSLATE})({options}), {{ once: true }})"
    )


async def translate_before_hydration(page: Page) -> None:
    """Translate the next document of a page after its scripts have run, but before React makes it interactive."""
    options = json.dumps({"style": "replace", "mark": _MARK, "follow": True})

    async def append(route: Route) -> None:
        response = await route.fetch()
        script = await response.text()
        await route.fulfill(response=response, body=f"{script}\n;({_TRANSLATE})({options});")

    # React hydrates the page in a task that follows this script.
    await page.route("**/assets/entry.client-*.js", append)


async def decorate(field: Locator) -> None:
    """Change the form around an input as an extension does."""
    await field.evaluate(_DECORATE)


async def read(page: Page, selector: str = "main") -> str:
    """Return the visible text of a part of a page; see `bare`."""
    return bare(await page.locator(selector).first.inner_text())


def bare(text: str) -> str:
    """Remove the marks of translations, and white space, which depends on the number of elements."""
    return "".join(text.replace(_MARK, "").split())
