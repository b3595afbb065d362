"""The page that signs a buyer in, with a link from an e-mail or with a password."""

import reflex as rx

from webapp.components.account import SignInFeed, open_link, request_link, sign_in
from webapp.components.language import in_english, say
from webapp.components.layout import Ui, page
from webapp.components.page import PageTitle


@rx.page(  # type: ignore[untyped-decorator]
    route="/sign-in",
    image="/favicon.svg",
    title=in_english("sign_in.head"),
    description=in_english("sign_in.description"),
)
def sign_in_page() -> Ui:
    """Sign in with the link in the page's address, or request a link."""
    return page(
        SignInFeed.create(),
        PageTitle.create(text=say("sign_in.head")),
        rx.el.div(
            rx.el.h1(say("sign_in.title")),
            rx.cond(sign_in.has_link, open_link(), request_link()),
            class_name="sheet",
        ),
    )
