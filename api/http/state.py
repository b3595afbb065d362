"""The objects that the routes of one process share."""

from litestar.datastructures import State

from api.config import Settings
from api.database.pool import Pool
from api.payments.provider import PaymentProvider
from api.services.availability import TierRow
from api.services.bookings.batcher import BookingBatcher
from api.services.events import EventRow
from api.services.snapshots import SnapshotCache
from api.services.states import StateRow
from api.services.webhooks import Inbox


class ApiState(State):
    """The application state. The lifespan fills it before the first request."""

    settings: Settings
    pool: Pool
    batcher: BookingBatcher
    availability: SnapshotCache[TierRow]
    states: SnapshotCache[StateRow]
    events: SnapshotCache[EventRow]
    event: SnapshotCache[EventRow]
    provider: PaymentProvider
    inbox: Inbox
    webhook_secret: str
    ticket_secret: str
