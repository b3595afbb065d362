// The bodies on the wire as api/schemas.py defines them; `make declarations` writes this file.
// Times are RFC 3339 in UTC, amounts are in the currency's major unit.

export interface BookingItem {
  tier?: string | null;
  quantity?: number | null;
  ticketIds?: number[] | null;
}

export interface BookingRequest {
  tier?: string | null;
  quantity?: number | null;
  userId: string;
  ticketIds?: number[] | null;
  items?: BookingItem[] | null;
  expectedTotal?: number | null;
  bookingReference?: string | null;
  email?: string | null;
  locale?: "ar" | "de" | "en" | null;
}

export interface CancelRequest {
  userId: string;
}

export interface EmailRequest {
  email: string;
  locale?: "ar" | "de" | "en" | null;
}

export interface MessageQueued {
  success: true;
  message: string;
}

export interface ReturnRequest {
  userId: string;
  bookings: number[];
}

export interface TierAvailability {
  available: number;
  total: number;
  price: number;
}

export interface Ticket {
  id: number;
  tier: string;
  price: number;
  row: string | null;
  seat: number | null;
}

export interface SeatChoice {
  ticketIds: number[];
  rows: string[];
  numbers: number[];
  row: string | null;
  zone: "centre" | "left" | "right" | null;
  together: boolean;
  reason: string;
  total: number;
  currency: string;
}

export interface BestSeats {
  seats: SeatChoice | null;
  alternatives: SeatChoice[];
}

export interface Event {
  slug: string;
  name: string;
  venue: string;
  address: string | null;
  description: string;
  doorsAt: string | null;
  startsAt: string;
  endsAt: string | null;
  timeZone: string;
  salesStartAt: string;
  salesEndAt: string | null;
  currency: string;
  currencyDigits: number;
  revision: number;
  state: "cancelled" | "ended" | "on_sale" | "sold_out" | "upcoming";
  priceFrom: number;
}

export interface EventList {
  events: Event[];
}

export interface Tier {
  name: string;
  price: number;
  total: number;
  seated: boolean;
  ticketsMin: number;
  ticketsMax: number;
  ticketsPerBuyer: number | null;
  holdSeconds: number;
}

export interface EventDetails {
  slug: string;
  name: string;
  venue: string;
  address: string | null;
  description: string;
  doorsAt: string | null;
  startsAt: string;
  endsAt: string | null;
  timeZone: string;
  salesStartAt: string;
  salesEndAt: string | null;
  currency: string;
  currencyDigits: number;
  revision: number;
  state: "cancelled" | "ended" | "on_sale" | "sold_out" | "upcoming";
  priceFrom: number;
  ticketsMin: number;
  ticketsMax: number;
  ticketsPerBuyer: number | null;
  holdSeconds: number;
  tiers: Tier[];
}

export interface TierState {
  held: number;
  heldUntil: string | null;
}

export interface SeatRow {
  tier: string;
  row: string;
  ids: number[];
  numbers: number[];
  states: string;
}

export interface TicketStates {
  tiers: Record<string, TierState>;
  rows: SeatRow[];
}

export interface Booking {
  id: number;
  bookingReference: string;
  ticketId: number;
  tier: string;
  price: number;
  row: string | null;
  seat: number | null;
  userId: string;
  createdAt: string;
  returnedAt?: string;
}

export interface Refund {
  id: string;
  amount: number;
  status: "failed" | "pending" | "requested" | "succeeded";
  reason: string;
  createdAt: string;
}

export interface Order {
  success: boolean;
  reference: string;
  status: string;
  total: number;
  currency: string;
  bookings: Booking[];
  message: string;
  event: string;
  paidLate: boolean;
  currencyDigits: number;
  shortReference: string;
  expiresAt?: string;
  paymentUrl?: string;
  refund?: number;
  bookingSecret?: string;
  refunds?: Refund[];
  undeliveredTo?: string;
}

export interface WebhookReceipt {
  stored: boolean;
}

export interface OrderPage {
  orders: Order[];
  next: string | null;
}

export interface FieldError {
  field: string;
  message: string;
}

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  success: boolean;
  code: string;
  message: string;
  errors?: FieldError[];
  available?: number;
  ticketIds?: number[];
  remaining?: number;
  total?: number;
  reference?: string;
  item?: number;
  unknown?: boolean;
}
