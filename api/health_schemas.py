"""The bodies of the health checks on the wire."""

import msgspec


class Health(msgspec.Struct, frozen=True):
    """The state of this process; `reason` explains an unavailable one."""

    status: str
    reason: str | None = None


class WorkerHealth(msgspec.Struct, frozen=True, rename="camel"):
    """A worker with the age of its last heartbeat."""

    id: str
    """Host name and process id."""
    age_seconds: float


class StandbyHealth(msgspec.Struct, frozen=True, rename="camel"):
    """A standby of the database. A member is null if the database role may not see it."""

    name: str | None
    state: str | None
    sync_state: str | None
    lag_seconds: float | None
    """Time from the primary's last commit until the standby applied it; null while the system is idle."""
    lag_bytes: int | None
    """Log that the standby has not yet applied, in bytes."""


class MailPriorityHealth(msgspec.Struct, frozen=True, rename="camel"):
    """The queued e-mails of a priority."""

    name: str
    """`requested`, `single` (about one order) or `bulk` (to all buyers of an event). They are sent in this order."""
    lag_seconds: float
    """Time by which the most overdue e-mail is late."""
    due: int
    """Number of e-mails that are due, at most 10,000."""


class MailHealth(msgspec.Struct, frozen=True, rename="camel"):
    """The state of the e-mails to buyers."""

    feed_lag_seconds: float
    """Age of the oldest entry of the history that was not read for e-mails."""
    queue_lag_seconds: float
    """Time by which the most overdue e-mail is late."""
    failed: int
    """Number of e-mails within `MESSAGES_KEPT_DAYS` that a mail server refused for good, or that were given up."""
    priorities: list[MailPriorityHealth] = []


class JobHealth(msgspec.Struct, frozen=True, rename="camel"):
    """A job of the worker."""

    job: str
    lag_seconds: float
    """Time by which its most overdue item is late."""
    due: int
    """Number of its items that are due; at most 10,000, except for `end_orders`."""


class CancellationHealth(msgspec.Struct, frozen=True, rename="camel"):
    """The orders of an unfinished cancellation that have one state. Each order has one state."""

    event: str
    """The event's slug."""
    currency: str
    state: str
    """`waiting` for the worker, `requested`, `succeeded` or `failed` by its refund, or `without_money`."""
    orders: int
    amount: float
    """The sum of the orders' refunds in the currency's major unit; of `waiting` orders the amount to refund."""


class SystemHealth(msgspec.Struct, frozen=True, rename="camel"):
    """The state of the whole system; `problems` explains a degraded one."""

    status: str
    """`ok` or `degraded`."""
    problems: list[str]
    worker_age_seconds: float | None
    """Age of the last heartbeat of any worker; null if no worker has run within an hour."""
    workers: list[WorkerHealth]
    overdue_holds: int
    """Number of tickets held for more than two seconds past the end of their hold."""
    failed_refunds: int
    """Number of refunds that the provider has refused."""
    undecided_disputes: int
    """Number of payments that the banks of their buyers dispute, without a decision yet."""
    lost_disputes: int
    """Number of disputes that the buyers have won."""
    mail: MailHealth
    jobs: list[JobHealth]
    cancellations: list[CancellationHealth]
    """The progress of cancelled events whose orders or refunds are not all decided.

    It is empty, and a problem says so, if the database does not count it in time.
    """
    standbys: list[StandbyHealth]
    missing_migrations: list[str]
