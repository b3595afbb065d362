// The bodies on the wire as api/account_schemas.py defines them; `make declarations` writes this file.
// Times are RFC 3339 in UTC, amounts are in the currency's major unit.

export interface SignInRequest {
  method: "link" | "password";
  token?: string | null;
  email?: string | null;
  password?: string | null;
}

export interface PasswordRequest {
  password: string;
}

export interface GrantRequest {
  email: string;
  role: "admin" | "box_office" | "door" | "organiser";
  event?: string | null;
}

export interface AccountRole {
  role: "admin" | "box_office" | "door" | "organiser";
  event: string | null;
}

export interface Account {
  id: string;
  email: string;
  hasPassword: boolean;
  roles: AccountRole[];
}

export interface AccountSession {
  accessToken: string;
  expiresAt: string;
  account: Account;
}

export interface GrantedRole {
  id: number;
  email: string;
  role: "admin" | "box_office" | "door" | "organiser";
  event: string | null;
  grantedAt: string;
}

export interface GrantList {
  grants: GrantedRole[];
}

export interface RevocationRequest {
  secret?: string | null;
}

export interface LinksRevoked {
  success: true;
  reference: string;
  bookingSecret: string;
  linkGeneration: number;
}
