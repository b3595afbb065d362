"""The texts of the staff pages, in English."""

SITE = "Staff"
SKIP = "Skip to the content"
NAVIGATION = "Staff pages"
OVERVIEW = "Overview"
ORDERS = "Bookings"
PEOPLE = "People and roles"
SIGN_IN = "Sign in"
SIGN_OUT = "Sign out"
SIGNED_IN_AS = "Signed in as"
TRY_AGAIN = "Try again"
TO_BUYERS = "Concerts"
MODE = "Switch between light and dark"

CHECKING = "Checking your session"
SIGNED_OUT = ("Sign in to continue", "These pages are for staff. Your session has not begun, or it has ended.")
NO_ROLE = ("No role", "This account has no role. An admin grants roles.")
AWAY = ("Not available", "The booking system does not respond at the moment.")
OFFLINE = "The connection is lost. The page connects again by itself."
BROKEN = ("This page has failed", "Load the page again.")
FORBIDDEN = "Your role does not include this."
REFUSED = "The booking system has refused this: {title}"

YOUR_ROLES = "Your roles"
ALL_EVENTS = "all events"
CONCERTS = "Concerts"
COLUMN_EVENT = "Concert"
COLUMN_STARTS = "Starts"
COLUMN_AVAILABLE = "Available"
COLUMN_STATE = "Sale"
AVAILABLE = "{available} of {total}"
STATES = {
    "on_sale": "On sale",
    "upcoming": "Not yet on sale",
    "sold_out": "Sold out",
    "ended": "Ended",
    "cancelled": "Cancelled",
}
COLUMN_EMAIL = "E-mail address"
COLUMN_ROLE = "Role"
COLUMN_SCOPE = "For"
COLUMN_ACTION = "Change"
EMAIL = "E-mail address"
ROLE = "Role"
EVENT = "Event"
EVENT_HINT = "The name in the event's address. Empty for all events."
GRANT = "Grant the role"
GRANTED = "Granted."
REVOKE = "Revoke"
REVOKED = "Revoked."
ROLES = {"box_office": "Box office", "organiser": "Organiser", "door": "Door", "admin": "Admin"}

EVENT_CHOICE = "The name in the event's address. Choose one, or type it."
SEARCH = "Reference or e-mail address"
SEARCH_HINT = "The whole reference, the short reference of eight characters, or the whole address."
FIND = "Find bookings"
FOUND = "Bookings found: {number}. The newest comes first."
FOUND_NONE = "This event has no such booking. Check each character, and the event."
ORDER_COLUMNS = ("Reference", "Buyer", "Booking", "Payment", "Last e-mail")
BOOKED = "Tickets: {tickets}. {time}"
ORDER_STATES = {
    "pending": "Waiting for the payment",
    "confirmed": "Confirmed",
    "declined": "Payment declined",
    "expired": "Not paid in time",
    "cancelled": "Cancelled",
}
PAYMENT_STATES = {
    "pending": "Not paid yet",
    "captured": "Paid",
    "declined": "Declined",
    "void": "Never charged",
    "refunding": "Refund on its way",
    "refunded": "Refunded",
}
MAIL_STATES = {
    "queued": "Waiting to be sent",
    "sent": "Accepted by the mail server",
    "bounced": "Refused: the buyer does not have it",
    "dead": "Given up: the buyer does not have it",
    "skipped": "Not sent, because the booking has changed",
}
NO_MAIL = "None"
NO_ADDRESS = "No address"
