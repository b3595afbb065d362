"""What the routes share within one process."""

from litestar.datastructures import State

from api.config import Settings
from api.db import Pool
from api.lane import BookingLane
from api.services.availability import TierRow
from api.services.events import EventRow
from api.services.live import LiveCache
from api.services.payments import PaymentProvider
from api.services.states import StateRow
from api.services.webhooks import Inbox


class ApiState(State):
    """Filled by the application's lifespan, before the first request."""

    settings: Settings
    pool: Pool
    lane: BookingLane
    availability: LiveCache[TierRow]
    states: LiveCache[StateRow]
    events: LiveCache[EventRow]
    event: LiveCache[EventRow]
    provider: PaymentProvider
    inbox: Inbox
    webhook_secret: str
    ticket_secret: str
