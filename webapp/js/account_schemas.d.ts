// The bodies on the wire as api/account_schemas.py defines them; `make declarations` writes this file.
// Times are RFC 3339 in UTC, amounts are in the currency's major unit.

export interface PasskeyAssertion {
  id: string;
  clientData: string;
  authenticatorData: string;
  signature: string;
  userHandle: string;
}

export interface SignInRequest {
  method: "link" | "passkey" | "password";
  token?: string | null;
  email?: string | null;
  password?: string | null;
  passkey?: PasskeyAssertion | null;
}

export interface PasswordRequest {
  password: string;
}

export interface PasskeyRequest {
  name: string;
  clientData: string;
  attestation: string;
  transports?: string[];
}

export interface PasskeyNameRequest {
  name: string;
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

export interface Passkey {
  id: string;
  name: string;
  createdAt: string;
  lastUsedAt: string | null;
}

export interface PasskeyList {
  passkeys: Passkey[];
  limit: number;
}

export interface RelyingParty {
  id: string;
  name: string;
}

export interface PasskeyUser {
  id: string;
  name: string;
  displayName: string;
}

export interface KeyParameter {
  type: "public-key";
  alg: number;
}

export interface CredentialDescriptor {
  id: string;
  type: "public-key";
  transports: string[];
}

export interface AuthenticatorSelection {
  residentKey: "discouraged" | "preferred" | "required";
  requireResidentKey: boolean;
  userVerification: "discouraged" | "preferred" | "required";
}

export interface PasskeyCreation {
  rp: RelyingParty;
  user: PasskeyUser;
  challenge: string;
  pubKeyCredParams: KeyParameter[];
  timeout: number;
  excludeCredentials: CredentialDescriptor[];
  authenticatorSelection: AuthenticatorSelection;
  attestation: "none";
}

export interface PasskeyChallenge {
  challenge: string;
  timeout: number;
  rpId: string;
  userVerification: "discouraged" | "preferred" | "required";
}
