"""The objects of the simulated Stripe account: Checkout Sessions, PaymentIntents, charges, refunds, disputes, events.

The objects are dictionaries with the members of Stripe's objects that a shop reads. Amounts are in Stripe's units and
times in whole seconds. https://docs.stripe.com/api describes them.
"""

import secrets
from collections.abc import Callable, Mapping
from time import time
from typing import Any, Final, Literal

from api.payments.minor_units import stripe_step
from api.payments.stripe_simulator.errors import StripeRefused, missing
from api.payments.stripe_simulator.form import integer, mapping_of, take, text_of

API_VERSION: Final = "2026-10-28.endive"
"""The version of Stripe's API that the simulator follows."""
OBJECTS_MAX: Final = 100_000
"""Objects of one kind that a store keeps; beyond that it drops the oldest."""
SESSION_LIFE_S: Final = 24 * 3600
"""The longest life of a Checkout Session, and its life without `expires_at`."""
SESSION_LIFE_MIN_S: Final = 1800

Object = dict[str, Any]
Kind = Literal["checkout.session", "payment_intent", "charge", "refund", "dispute", "event"]
Listener = Callable[[Object, str], None]
"""Receives each event, and the key whose events keep their order."""
RefundPlan = Literal["succeed", "wait", "fail"]
"""The fate of a refund: it succeeds at once, or it is pending until `settle_refund` ends it."""

_PREFIXES: Final[Mapping[Kind, str]] = {
    "checkout.session": "cs_test",
    "payment_intent": "pi",
    "charge": "ch",
    "refund": "re",
    "dispute": "du",
    "event": "evt",
}
_EXPANDABLE: Final[Mapping[str, Kind]] = {
    "payment_intent": "payment_intent",
    "latest_charge": "charge",
    "charge": "charge",
}
"""The members that `expand` replaces by their objects."""
_SESSION_FIELDS = frozenset(
    {
        *("mode", "line_items", "success_url", "cancel_url", "client_reference_id", "metadata", "expires_at"),
        "payment_intent_data",
    }
)
_REFUND_FIELDS = frozenset(("payment_intent", "amount", "metadata", "reason"))


class StripeStore:
    """The objects of one account, in memory."""

    def __init__(self, pay_url: str, listener: Listener, now: Callable[[], float] = time) -> None:
        """Create an empty store.

        Args:
            pay_url: the address of the hosted pages, to which a session's id is appended.
            listener: the receiver of each event.
            now: the clock, in seconds since 1970.
        """
        self._pay_url = pay_url
        self._listener = listener
        self._now = now
        self._objects: dict[Kind, dict[str, Object]] = {kind: {} for kind in _PREFIXES}

    def get(self, kind: Kind, object_id: str, expand: list[str] | None = None) -> Object:
        """Return an object in its present state; `expand` names the members to replace by their objects.

        Raises:
            StripeRefused: there is no such object, or a member cannot be expanded.
        """
        found = self._objects[kind].get(object_id)
        if found is None:
            raise missing(kind, object_id)
        if kind == "checkout.session":
            self._expire_overdue(found)
        for path in expand or ():
            found = self._expanded(found, path.split("."))
        return found

    def page(self, kind: Kind, query: Object, path: str) -> Object:
        """Return a page of objects, newest first. Clients request the next page at `path`.

        Raises:
            StripeRefused: a filter is unknown or invalid.
        """
        filters = {"limit", "starting_after", "created", "payment_intent"}
        take(query, frozenset(filters))
        limit = integer(query, "limit", least=1) if "limit" in query else 10
        if limit > 100:
            raise StripeRefused("limit must be at most 100.", param="limit")
        since = mapping_of(query, "created")
        earliest = integer(since, "gte") if "gte" in since else 0
        known = list(reversed(self._objects[kind].values()))
        if after := query.get("starting_after"):
            ids = [each["id"] for each in known]
            if after not in ids:
                raise missing(kind, after)
            known = known[ids.index(after) + 1 :]
        if intent := query.get("payment_intent"):
            self.get("payment_intent", intent)
        found = [
            each
            for each in known
            if each["created"] >= earliest and (not intent or each.get("payment_intent") == intent)
        ]
        return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": path}

    def create_session(self, fields: Object) -> Object:
        """Create a Checkout Session for one line item.

        Raises:
            StripeRefused: a parameter is invalid.
        """
        take(fields, _SESSION_FIELDS)
        if fields.get("mode") != "payment":
            raise StripeRefused("The simulator supports mode=payment only.", param="mode")
        item = mapping_of(mapping_of(fields, "line_items"), "0")
        price = mapping_of(item, "price_data")
        text_of(mapping_of(price, "product_data"), "name")
        currency = text_of(price, "currency").lower()
        amount = integer(price, "unit_amount", least=1) * integer(item, "quantity", least=1)
        if amount % stripe_step(currency.upper()):
            raise StripeRefused("Invalid amount for this currency.", code="amount_invalid", param="line_items")
        created = int(self._now())
        expires_at = integer(fields, "expires_at") if "expires_at" in fields else created + SESSION_LIFE_S
        if not created + SESSION_LIFE_MIN_S <= expires_at <= created + SESSION_LIFE_S:
            raise StripeRefused("expires_at must lie 30 minutes to 24 hours ahead.", param="expires_at")
        session = self._add(
            "checkout.session",
            amount_total=amount,
            currency=currency,
            client_reference_id=fields.get("client_reference_id"),
            metadata=mapping_of(fields, "metadata"),
            intent_metadata=mapping_of(mapping_of(fields, "payment_intent_data"), "metadata"),
            mode="payment",
            success_url=text_of(fields, "success_url"),
            cancel_url=fields.get("cancel_url"),
            expires_at=expires_at,
            payment_intent=None,
            payment_status="unpaid",
            status="open",
        )
        session["url"] = f"{self._pay_url}{session['id']}"
        return session

    def expire_session(self, session_id: str) -> Object:
        """Close an open Checkout Session, which nobody can then pay.

        Raises:
            StripeRefused: there is no such session, or it is not open.
        """
        session = self.get("checkout.session", session_id)
        if session["status"] != "open":
            raise StripeRefused(
                f"This Session is not in an expireable state: its status is `{session['status']}`, not `open`."
            )
        self._expire(session)
        return session

    def pay(self, session_id: str, outcome: Literal["captured", "declined"]) -> Object:
        """Pay an open Checkout Session with a card that the bank accepts or declines. It stays open when declined.

        Raises:
            StripeRefused: there is no such session, or it is not open.
        """
        session = self.get("checkout.session", session_id)
        if session["status"] != "open":
            raise StripeRefused("This Session can no longer be paid.")
        intent = self._intent_of(session)
        if outcome == "declined":
            intent["status"] = "requires_payment_method"
            intent["last_payment_error"] = {"code": "card_declined", "message": "Your card was declined."}
            self._emit("payment_intent.payment_failed", intent, intent["id"])
            return session
        charge = self._add(
            "charge",
            amount=intent["amount"],
            amount_refunded=0,
            refunded=False,
            disputed=False,
            currency=intent["currency"],
            payment_intent=intent["id"],
            metadata=dict(intent["metadata"]),
        )
        intent |= {
            "status": "succeeded",
            "amount_received": intent["amount"],
            "latest_charge": charge["id"],
            "last_payment_error": None,
        }
        session |= {"status": "complete", "payment_status": "paid", "url": None}
        self._emit("payment_intent.succeeded", intent, intent["id"])
        self._emit("checkout.session.completed", session, intent["id"])
        return session

    def refund(self, fields: Object, plan: RefundPlan) -> Object:
        """Refund all or a part of a payment.

        Raises:
            StripeRefused: a parameter is invalid, or less than the amount is left.
        """
        take(fields, _REFUND_FIELDS)
        intent = self.get("payment_intent", text_of(fields, "payment_intent"))
        if intent["status"] != "succeeded":
            raise StripeRefused("This PaymentIntent does not have a successful charge to refund.")
        charge = self.get("charge", intent["latest_charge"])
        left = charge["amount"] - charge["amount_refunded"]
        if not left:
            message = f"Charge {charge['id']} has already been refunded."
            raise StripeRefused(message, code="charge_already_refunded")
        amount = integer(fields, "amount", least=1) if "amount" in fields else left
        if amount > left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})."
            raise StripeRefused(message, param="amount")
        self._reserve(charge, amount)
        refund = self._add(
            "refund",
            amount=amount,
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=intent["id"],
            metadata=mapping_of(fields, "metadata"),
            reason=fields.get("reason"),
            status="succeeded" if plan == "succeed" else "pending",
            pending_reason={"succeed": None, "wait": "insufficient_funds", "fail": "processing"}[plan],
            failure_reason=None,
        )
        self._emit("refund.created", refund, intent["id"])
        return refund

    def settle_refund(self, refund_id: str, plan: RefundPlan) -> None:
        """End a pending refund: it fails as planned, and succeeds otherwise."""
        refund = self.get("refund", refund_id)
        refund["pending_reason"] = None
        if plan == "fail":
            refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
            self._reserve(self.get("charge", refund["charge"]), -refund["amount"])
        else:
            refund["status"] = "succeeded"
        self._emit("refund.failed" if plan == "fail" else "refund.updated", refund, refund["payment_intent"])

    def dispute(self, session_id: str) -> Object:
        """Dispute the payment of a Checkout Session, as the buyer's bank would.

        Raises:
            StripeRefused: there is no such session, or it is not paid.
        """
        session = self.get("checkout.session", session_id)
        if session["payment_status"] != "paid":
            raise StripeRefused("Only a paid Session can be disputed.")
        intent = self.get("payment_intent", session["payment_intent"])
        charge = self.get("charge", intent["latest_charge"])
        charge["disputed"] = True
        dispute = self._add(
            "dispute",
            amount=charge["amount"],
            currency=charge["currency"],
            charge=charge["id"],
            payment_intent=intent["id"],
            reason="fraudulent",
            status="needs_response",
        )
        self._emit("charge.dispute.created", dispute, intent["id"])
        return dispute

    def _intent_of(self, session: Object) -> Object:
        """Return the PaymentIntent of a session; the first attempt to pay creates it."""
        if session["payment_intent"]:
            return self.get("payment_intent", session["payment_intent"])
        intent = self._add(
            "payment_intent",
            amount=session["amount_total"],
            amount_received=0,
            currency=session["currency"],
            latest_charge=None,
            last_payment_error=None,
            metadata=dict(session["intent_metadata"]),
            status="requires_payment_method",
        )
        session["payment_intent"] = intent["id"]
        return intent

    def _reserve(self, charge: Object, amount: int) -> None:
        """Count an amount among a charge's refunds; a negative one returns that of a failed refund."""
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]

    def _expire_overdue(self, session: Object) -> None:
        if session["status"] == "open" and session["expires_at"] <= self._now():
            self._expire(session)

    def _expire(self, session: Object) -> None:
        session |= {"status": "expired", "url": None}
        self._emit("checkout.session.expired", session, session["id"])

    def _expanded(self, found: Object, path: list[str]) -> Object:
        """Return a copy of an object in which a path of members leads to objects.

        Raises:
            StripeRefused: a member cannot be expanded.
        """
        name, *rest = path
        if name not in _EXPANDABLE or name not in found:
            raise StripeRefused(f"This property cannot be expanded ({name}).", param="expand")
        value = found[name]
        if value is None:
            return found
        inner = value if isinstance(value, dict) else self.get(_EXPANDABLE[name], value)
        return found | {name: self._expanded(inner, rest) if rest else inner}

    def _add(self, kind: Kind, **members: Any) -> Object:
        objects = self._objects[kind]
        if len(objects) >= OBJECTS_MAX:
            del objects[next(iter(objects))]
        object_id = f"{_PREFIXES[kind]}_{secrets.token_hex(12)}"
        objects[object_id] = {"id": object_id, "object": kind, "created": int(self._now()), "livemode": False} | members
        return objects[object_id]

    def _emit(self, event_type: str, about: Object, key: str) -> None:
        event = self._add("event", type=event_type, api_version=API_VERSION, data={"object": dict(about)})
        self._listener(event, key)
