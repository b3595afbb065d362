"""What the routes share within one process."""

from litestar.datastructures import State

from api.config import Settings
from api.db import Pool
from api.lane import BookingLane
from api.services.availability import AvailabilityCache
from api.services.payments import PaymentProvider
from api.services.webhooks import Inbox


class ApiState(State):
    """Filled by the application's lifespan, before the first request."""

    settings: Settings
    pool: Pool
    lane: BookingLane
    availability: AvailabilityCache
    provider: PaymentProvider
    inbox: Inbox
    webhook_secret: str
    ticket_secret: str
