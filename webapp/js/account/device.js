// The passkeys of this device, or of its password manager: the browser makes them and signs challenges with them.

/** @import { PasskeyAssertion, PasskeyChallenge, PasskeyCreation, PasskeyRequest } from "../account_schemas.js" */

/**
 * `cancelled`: the visitor or the browser ended the ceremony, or the device has no passkey. `known`: the device has a
 * passkey of the account. `failed`: the browser cannot use passkeys on this page.
 * @typedef {"cancelled" | "known" | "failed"} CeremonyFault
 */

/** Return true if the browser can use passkeys. The build has no browser. */
export const hasPasskeys = () =>
  typeof window !== "undefined" && typeof window.PublicKeyCredential?.parseRequestOptionsFromJSON === "function";

/**
 * Make a passkey on this device.
 * @param {PasskeyCreation} options
 * @returns {Promise<Omit<PasskeyRequest, "name"> | CeremonyFault>}
 */
export async function makePasskey(options) {
  try {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    const made = /** @type {PublicKeyCredential} */ (await navigator.credentials.create({ publicKey }));
    const response = /** @type {AuthenticatorAttestationResponse} */ (made.response);
    return {
      clientData: toBase64(response.clientDataJSON),
      attestation: toBase64(response.attestationObject),
      transports: response.getTransports?.() ?? [],
    };
  } catch (error) {
    return faultOf(error);
  }
}

/**
 * Sign a challenge with a passkey that the visitor chooses.
 * @param {PasskeyChallenge} options
 * @returns {Promise<PasskeyAssertion | CeremonyFault>}
 */
export async function signChallenge(options) {
  try {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    const used = /** @type {PublicKeyCredential} */ (await navigator.credentials.get({ publicKey }));
    const response = /** @type {AuthenticatorAssertionResponse} */ (used.response);
    return {
      id: toBase64(used.rawId),
      clientData: toBase64(response.clientDataJSON),
      authenticatorData: toBase64(response.authenticatorData),
      signature: toBase64(response.signature),
      userHandle: toBase64(response.userHandle ?? new ArrayBuffer(0)),
    };
  } catch (error) {
    return faultOf(error);
  }
}

/**
 * Return the fault of a ceremony.
 * @param {unknown} error
 * @returns {CeremonyFault}
 */
export function faultOf(error) {
  const name = error instanceof Error || error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "AbortError") return "cancelled";
  return name === "InvalidStateError" ? "known" : "failed";
}

/**
 * Return bytes in base64url without padding. Extensions replace credentials by objects without `toJSON`.
 * @param {ArrayBuffer} bytes
 */
export const toBase64 = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
