// @ts-check
/**
 * A licence client for programs sold through a Prime Tech shop. Node 20 or newer (Electron too), without dependencies;
 * typed by JSDoc, so that TypeScript reads it as it is.
 *
 *     const client = new LicenceClient({server: 'https://shop.example', tenant: 'demo', productSku: 'editor-pro',
 *                                       stateFolder: path.join(os.homedir(), '.config', 'editor-pro')});
 *     const result = await client.check();     // at each start
 *     if (!result.mayRun) …                    // show result.message, ask for a key, then client.activate(key)
 *
 * What may be believed: a certificate that verifies, never the bare word VALID. What ends a licence here: the shop's own
 * word about it, never a failure on the way. docs/licence-clients.md tells why each rule is there.
 */

import {execFileSync} from 'node:child_process';
import {createHash, createPublicKey, randomUUID, verify} from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {setTimeout as wait} from 'node:timers/promises';

const DAY = 86_400;
/** How far a clock may be off before anyone is told: that of this device, or that of the server. */
const CLOCK_TOLERANCE = 300;
/** A certificate that is older is made anew when the shop can be asked, so that the time offline begins again. */
const RENEW_AFTER = DAY;
/** How long after its certificate a program still starts without the shop, with a warning each time. */
const GRACE = 3 * DAY;

const REQUEST_TIMEOUT_MS = 10_000;
const LONGEST_ANSWER = 65_536;
const LONGEST_DEVICE_NAME = 120;
/** How long a call goes on trying. With a certificate at hand the user waits less: the program starts without an answer. */
const PATIENT = {milliseconds: 30_000, attempts: 5};
const IMPATIENT = {milliseconds: 5_000, attempts: 3};
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8_000;

const KEY_FORM = /^LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}$/;
const FINGERPRINT_FORM = /^[A-Za-z0-9._:-]{8,128}$/;

/** What the shop says of a licence. Anything else that it refuses with is about the call, not about the licence. */
const LICENCE_CODES = new Set([
  'LICENCE_NOT_FOUND',
  'LICENCE_SUSPENDED',
  'LICENCE_REVOKED',
  'LICENCE_EXPIRED',
  'LICENCE_MAX_ACTIVATIONS',
  'LICENCE_NOT_ACTIVE_HERE',
  'NOT_ACTIVATED',
  'FINGERPRINT_MISMATCH',
]);

/** @type {Record<string, string>} */
const MESSAGES = {
  VALID: 'The licence is valid.',
  DEACTIVATED: 'The licence is free. It can be activated on another device.',
  NO_LICENCE: 'There is no licence on this device yet. Enter your licence key.',
  MALFORMED_KEY: 'This is no licence key. A key looks like LIC-XXXX-XXXX-XXXX; yours is in your account at the shop.',
  LICENCE_NOT_FOUND: 'The shop does not know this licence key. Compare it with the one in your account.',
  LICENCE_MAX_ACTIVATIONS: 'The licence is active on another device. Deactivate it there or in your account, then try again.',
  LICENCE_SUSPENDED: 'The licence is suspended, as while a payment is disputed. Please ask the shop.',
  LICENCE_REVOKED: 'The licence was revoked, as after a refund. Please ask the shop if you did not expect this.',
  LICENCE_EXPIRED: 'The licence has ended. Renew it in the shop.',
  NOT_ACTIVATED: 'The licence was freed for another device. Activate it again to use it on this one.',
  FINGERPRINT_MISMATCH: 'The licence is now active on another device. Free it there or in your account to use it here.',
  WRONG_PRODUCT: 'This licence is for another product.',
  CERTIFICATE_INVALID: 'The licence certificate cannot be relied on: it is damaged, or not made for this device. Connect to the internet and try again.',
  OFFLINE_TOO_LONG: 'The licence has not been checked for too long. Connect to the internet and start again.',
  CLOCK_TURNED_BACK: 'The clock of this device is behind the last check of the licence. Set date and time, or connect to the internet.',
  CLOCK_WRONG: 'The clock of this device is wrong. Set date and time, or the licence cannot be checked offline.',
  NOT_STORED: 'The licence could not be stored on this device, so it is checked online at each start.',
  OFFLINE: 'The shop cannot be reached. Look at the internet connection, then try again.',
  NOT_THE_SHOP: "Something else answered in the shop's place, such as a network's sign-in page. Sign in there, then try again.",
  RATE_LIMITED: 'There were too many tries. Wait a while, then try again.',
  TENANT_NOT_FOUND: 'The shop cannot be found at its address. Look for an update of this program.',
  TENANT_INACTIVE: 'The shop is closed at the moment.',
  UNAVAILABLE: 'The shop cannot answer at the moment. Try again later.',
};

/**
 * @typedef {'LICENSED' | 'LICENSED_OFFLINE' | 'GRACE' | 'DEACTIVATED' | 'REFUSED' | 'UNREACHABLE'} Outcome
 *   REFUSED: the user must act. UNREACHABLE: try later.
 *
 * @typedef {object} Result What came of a call, to act on (outcome, code) and to show (message, warning).
 * @property {Outcome} outcome
 * @property {string} code
 * @property {string} message
 * @property {boolean} mayRun
 * @property {string} [licence] The key with its middle hidden, fit for a log.
 * @property {string} [warning]
 * @property {number} [until] Until when the program starts without the shop, in seconds since 1970.
 * @property {number} [retryAfter] When the shop wants to be asked again at the earliest, in seconds from now.
 *
 * @typedef {{kty?: string, crv?: string, kid?: string, x?: string}} Jwk
 *
 * @typedef {object} State What is kept on this device.
 * @property {string} licKey
 * @property {string} [certificate]
 * @property {Jwk[]} keys
 * @property {number} [licenceEnds]
 * @property {number} [lastSeen]
 *
 * @typedef {{licKey: string, fingerprint: string, tenant: string, productSku: string, iat: number, exp: number}} Claims
 *
 * @typedef {object} Options
 * @property {string} server
 * @property {string} tenant The shop's short name, as certificates have it.
 * @property {string} productSku
 * @property {string} stateFolder
 * @property {string} [fingerprint] In place of the machine's own.
 * @property {{keys: Jwk[]}} [trustedKeys] The shop's JWK set as the program was built with it. Without, the set is learned
 *   at the first activation over HTTPS, and kept: whoever may write to this device's files can then replace it.
 * @property {() => number} [clock] Seconds since 1970.
 */

/** The shop's word about this licence. */
class Refused extends Error {
  /** @param {string} code */
  constructor(code) {
    super(code);
    this.code = code;
  }
}

/** No word of the shop's: nothing follows for the licence. */
class Unreachable extends Error {
  /** @param {string} code @param {number} [retryAfter] */
  constructor(code, retryAfter) {
    super(code);
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

/** A certificate that proves nothing here. */
class CertificateInvalid extends Error {}

/** A key as logs may have it. @param {string} key */
export const masked = (key) => `LIC-****-****-${key.slice(-4)}`;

/**
 * What tells this device from others, the same at each start, and not to be traced back to the machine. An installation
 * that is cloned with its machine id has the same one; where that matters, add a serial number.
 * @param {string} productSku
 */
export function machineFingerprint(productSku) {
  let identity = '';
  /** @type {import('node:child_process').ExecFileSyncOptionsWithStringEncoding} */
  const quietly = {encoding: 'utf8', timeout: 5_000, stdio: ['ignore', 'pipe', 'ignore']};
  try {
    if (process.platform === 'linux') {
      identity = fs.readFileSync('/etc/machine-id', 'utf8').trim();
    } else if (process.platform === 'darwin') {
      const shown = execFileSync('ioreg', ['-rd1', '-c', 'IOPlatformExpertDevice'], quietly);
      identity = /"IOPlatformUUID" = "([^"]+)"/.exec(shown)?.[1] ?? '';
    } else if (process.platform === 'win32') {
      const shown = execFileSync('reg', ['query', 'HKLM\\SOFTWARE\\Microsoft\\Cryptography', '/v', 'MachineGuid'], quietly);
      identity = /REG_SZ\s+(\S+)/.exec(shown)?.[1] ?? '';
    }
  } catch {
    // Another way is below.
  }
  if (identity === '') {
    // The network cards' addresses and the machine's name: less lasting, better than nothing.
    const cards = Object.values(os.networkInterfaces()).flatMap((card) => card ?? []);
    const addresses = cards.filter((card) => !card.internal).map((card) => card.mac);
    identity = [...new Set(addresses)].sort().join(',') + ':' + os.hostname();
  }
  return createHash('sha256').update(`licence client\0${productSku}\0${identity}`).digest('hex');
}

export class LicenceClient {
  /** @param {Options} options */
  constructor({server, tenant, productSku, stateFolder, fingerprint, trustedKeys, clock}) {
    const url = new URL(server);
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(url.hostname))) {
      throw new TypeError('a licence server is asked over https');
    }
    this.#server = server.replace(/\/+$/, '');
    this.#tenant = tenant;
    this.#productSku = productSku;
    this.#file = path.join(stateFolder, 'licence.json');
    this.#fingerprint = fingerprint ?? machineFingerprint(productSku);
    if (!FINGERPRINT_FORM.test(this.#fingerprint)) {
      throw new TypeError('a fingerprint is 8 to 128 of A-Z a-z 0-9 . _ : -');
    }
    this.#trustedKeys = trustedKeys?.keys;
    this.#clock = clock ?? (() => Date.now() / 1000);
  }

  #server;
  #tenant;
  #productSku;
  #file;
  #fingerprint;
  #trustedKeys;
  #clock;
  /** @type {number | undefined} */
  #serverTime;

  // What a program calls

  /**
   * Binds a licence to this device. Again on the same device it changes nothing and succeeds.
   * @param {string} entered
   * @param {string} [deviceName]
   * @returns {Promise<Result>}
   */
  async activate(entered, deviceName) {
    const key = entered.trim().toUpperCase();
    if (!KEY_FORM.test(key)) {
      return this.#result('REFUSED', 'MALFORMED_KEY');
    }
    /** @type {State} */
    const state = {licKey: key, keys: []};
    try {
      // Asked first: a licence of another product is not to be taken up by this one.
      const licence = await this.#validate({licKey: key}, PATIENT);
      if (licence.productSku !== this.#productSku) {
        return this.#result('REFUSED', 'WRONG_PRODUCT', key);
      }
      state.licenceEnds = seconds(licence.expiresAt);
      await this.#certify(state, PATIENT, deviceName);
    } catch (error) {
      if (error instanceof Refused) return this.#result('REFUSED', error.code, key);
      if (error instanceof CertificateInvalid) return this.#result('REFUSED', 'CERTIFICATE_INVALID', key);
      if (error instanceof Unreachable) return this.#unreachable(error, key);
      throw error;
    }
    return this.#licensedOnline(state);
  }

  /**
   * Whether the program may run. To be asked at each start, and daily where it runs for long.
   * @returns {Promise<Result>}
   */
  async check() {
    const state = this.#load();
    if (state === undefined) {
      return this.#result('REFUSED', 'NO_LICENCE');
    }
    const key = state.licKey;
    const patience = this.#claims(state) ? IMPATIENT : PATIENT;
    try {
      const licence = await this.#validate({licKey: key, fingerprint: this.#fingerprint}, patience);
      if (licence.productSku !== this.#productSku) {
        throw new Refused('WRONG_PRODUCT');
      }
      state.licenceEnds = seconds(licence.expiresAt);
      const claims = this.#claims(state);
      if (!claims || this.#now() - claims.iat > RENEW_AFTER) {
        // Only after the shop said that it is active here: a licence that the user freed stays free.
        await this.#certify(state, patience);
      }
    } catch (error) {
      if (error instanceof Refused) {
        // Offline it must not pass from now on; the key stays, as the licence may come back.
        delete state.certificate;
        this.#store(state);
        return this.#result('REFUSED', error.code, key);
      }
      if (error instanceof Unreachable) return this.#judgeOffline(state, error);
      // A key that this program was not built with yet: the certificate that is here holds until it ends.
      if (error instanceof CertificateInvalid) return this.#judgeOffline(state, new Unreachable('CERTIFICATE_INVALID'));
      throw error;
    }
    return this.#licensedOnline(state);
  }

  /**
   * Frees the licence for another device. What is stored here goes once the shop has said so, not before.
   * @returns {Promise<Result>}
   */
  async deactivate() {
    const state = this.#load();
    if (state === undefined) {
      return this.#result('REFUSED', 'NO_LICENCE');
    }
    const key = state.licKey;
    try {
      await this.#ask('/api/licences/deactivate', {licKey: key, fingerprint: this.#fingerprint}, PATIENT);
    } catch (error) {
      if (error instanceof Unreachable) return this.#unreachable(error, key);
      if (!(error instanceof Refused)) throw error;
      // Not active here: it was freed before, perhaps by the very request whose answer was lost.
      if (!['LICENCE_NOT_ACTIVE_HERE', 'LICENCE_NOT_FOUND'].includes(error.code)) {
        return this.#result('REFUSED', error.code, key);
      }
    }
    // A file that stays is found out at the next check: the licence is not active here.
    remove(this.#file);
    return this.#result('DEACTIVATED', 'DEACTIVATED', key);
  }

  // Verdicts

  /**
   * @param {Outcome} outcome
   * @param {string} code
   * @param {string} [key]
   * @param {{warning?: string, until?: number, retryAfter?: number}} [more]
   * @returns {Result}
   */
  #result(outcome, code, key, more = {}) {
    const message = MESSAGES[code] ?? MESSAGES.UNAVAILABLE;
    const mayRun = ['LICENSED', 'LICENSED_OFFLINE', 'GRACE'].includes(outcome);
    return {outcome, code, message, mayRun, licence: key && masked(key), ...more};
  }

  /** @param {Unreachable} error @param {string} key */
  #unreachable(error, key) {
    return this.#result('UNREACHABLE', error.code, key, {retryAfter: error.retryAfter});
  }

  /** @param {State} state */
  #licensedOnline(state) {
    const claims = this.#claims(state);
    if (!claims) {
      return this.#result('REFUSED', 'CERTIFICATE_INVALID', state.licKey);
    }
    state.lastSeen = Math.floor(this.#now());
    let warning;
    if (this.#serverTime !== undefined && Math.abs(this.#clock() - this.#serverTime) > CLOCK_TOLERANCE) {
      warning = MESSAGES.CLOCK_WRONG;
    }
    if (!this.#store(state)) {
      warning = MESSAGES.NOT_STORED;
    }
    return this.#result('LICENSED', 'VALID', state.licKey, {warning, until: claims.exp});
  }

  /** @param {State} state @param {Unreachable} reason */
  #judgeOffline(state, reason) {
    const key = state.licKey;
    if (state.certificate === undefined && reason.code !== 'CERTIFICATE_INVALID') {
      return this.#unreachable(reason, key);
    }
    const claims = this.#claims(state);
    if (!claims) {
      return this.#result('REFUSED', 'CERTIFICATE_INVALID', key);
    }
    // The shop has not told the time: this device's clock it is, which may not go back behind what was seen.
    const now = this.#clock();
    if (now < Math.max(claims.iat, state.lastSeen ?? 0) - CLOCK_TOLERANCE) {
      return this.#result('REFUSED', 'CLOCK_TURNED_BACK', key);
    }
    if (state.licenceEnds !== undefined && now > state.licenceEnds + CLOCK_TOLERANCE) {
      return this.#result('REFUSED', 'LICENCE_EXPIRED', key);
    }
    if (now > claims.exp + CLOCK_TOLERANCE + GRACE) {
      return this.#result('REFUSED', 'OFFLINE_TOO_LONG', key);
    }
    state.lastSeen = Math.max(Math.floor(now), state.lastSeen ?? 0);
    this.#store(state);
    const {retryAfter} = reason;
    if (now <= claims.exp + CLOCK_TOLERANCE) {
      return this.#result('LICENSED_OFFLINE', reason.code, key, {until: claims.exp, retryAfter});
    }
    const until = claims.exp + GRACE;
    const lastDay = new Date(until * 1000).toISOString().slice(0, 10);
    const warning = `The licence could not be checked for a long time. Connect to the internet before ${lastDay}.`;
    return this.#result('GRACE', reason.code, key, {warning, until, retryAfter});
  }

  /** The shop's time where it has told it in this call, this device's otherwise. */
  #now() {
    return this.#serverTime ?? this.#clock();
  }

  // Certificates

  /**
   * Activates on this device, which for the active one changes nothing, and keeps the fresh certificate.
   * @param {State} state
   * @param {typeof PATIENT} patience
   * @param {string} [deviceName]
   */
  async #certify(state, patience, deviceName) {
    const body = {licKey: state.licKey, fingerprint: this.#fingerprint, deviceName: deviceName?.slice(0, LONGEST_DEVICE_NAME)};
    const {certificate} = await this.#ask('/api/licences/activate', body, patience);
    let keys = state.keys;
    if (!this.#trustedKeys && !keys.some((key) => key.kid !== undefined && key.kid === kidOf(certificate))) {
      const set = await this.#ask('/.well-known/licence-keys.json', undefined, patience);
      keys = Array.isArray(set.keys) ? set.keys : [];
    }
    if (!this.#claims({...state, certificate, keys})) {
      throw new CertificateInvalid();
    }
    state.certificate = certificate;
    state.keys = keys;
  }

  /**
   * What the stored certificate says, where it is genuine and speaks of this licence, product and device.
   * @param {State} state
   * @returns {Claims | undefined}
   */
  #claims(state) {
    try {
      const claims = verified(state.certificate, this.#trustedKeys ?? state.keys);
      const isOurs =
        claims.licKey === state.licKey &&
        claims.fingerprint === this.#fingerprint &&
        claims.tenant === this.#tenant &&
        claims.productSku === this.#productSku;
      return isOurs ? claims : undefined;
    } catch (error) {
      if (error instanceof CertificateInvalid) return undefined;
      throw error;
    }
  }

  // Calls

  /** @param {object} body @param {typeof PATIENT} patience */
  async #validate(body, patience) {
    const {code, licence} = await this.#ask('/api/licences/validate', body, patience);
    if (LICENCE_CODES.has(code)) {
      throw new Refused(code);
    }
    if (code !== 'VALID' || typeof licence?.productSku !== 'string') {
      throw new Unreachable('NOT_THE_SHOP');
    }
    return licence;
  }

  /**
   * One call, tried several times. Each try is the same request to the letter: licence calls may be repeated, as key and
   * fingerprint say what is meant, so that a lost answer does no harm.
   * @param {string} where
   * @param {object | undefined} body
   * @param {typeof PATIENT} patience
   */
  async #ask(where, body, patience) {
    const deadline = performance.now() + patience.milliseconds;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#askOnce(where, body);
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        // Full jitter: a thousand programs that lost the shop at once do not come back at once.
        const jitter = Math.random() * Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attempt - 1));
        const pause = jitter + (error.retryAfter ?? 0) * 1000;
        const isLasting = ['NOT_THE_SHOP', 'TENANT_NOT_FOUND', 'TENANT_INACTIVE'].includes(error.code);
        if (isLasting || attempt === patience.attempts || performance.now() + pause > deadline) {
          throw error;
        }
        await wait(pause);
      }
    }
  }

  /**
   * @param {string} where
   * @param {object | undefined} body
   * @returns {Promise<any>}
   */
  async #askOnce(where, body) {
    /** @type {Response} */
    let response;
    let text;
    try {
      response = await fetch(this.#server + where, {
        method: body ? 'POST' : 'GET',
        headers: {'content-type': 'application/json', accept: 'application/json'},
        body: body && JSON.stringify(body),
        // The API never redirects: what does is not the shop, and is not sent a licence key.
        redirect: 'manual',
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      text = await bounded(response);
    } catch {
      throw new Unreachable('OFFLINE');
    }
    /** @type {any} */
    let document;
    try {
      document = JSON.parse(text);
    } catch {
      document = undefined;
    }
    if (response.ok && typeof document === 'object' && document !== null) {
      this.#serverTime = httpDate(response.headers.get('date'));
      return document;
    }
    const code = typeof document?.error?.code === 'string' ? document.error.code : undefined;
    if (LICENCE_CODES.has(code)) {
      throw new Refused(code);
    }
    if ([429, 500, 502, 503, 504].includes(response.status)) {
      throw new Unreachable(code ?? 'UNAVAILABLE', retryAfter(response.headers.get('retry-after'), this.#clock()));
    }
    throw new Unreachable(code ?? 'NOT_THE_SHOP');
  }

  // What is kept on this device

  /** What is stored, or undefined where that is nothing, or nothing that can be used. @returns {State | undefined} */
  #load() {
    /** @type {any} */
    let stored;
    try {
      stored = JSON.parse(fs.readFileSync(this.#file, 'utf8'));
    } catch {
      return undefined;
    }
    if (typeof stored?.licKey !== 'string' || !KEY_FORM.test(stored.licKey)) {
      return undefined;
    }
    // Another program's hand may have been in it: what is not of its type is as if it were not there.
    return {
      licKey: stored.licKey,
      certificate: typeof stored.certificate === 'string' ? stored.certificate : undefined,
      keys: Array.isArray(stored.keys) ? stored.keys.filter((/** @type {unknown} */ key) => typeof key === 'object' && key) : [],
      licenceEnds: Number.isSafeInteger(stored.licenceEnds) ? stored.licenceEnds : undefined,
      lastSeen: Number.isSafeInteger(stored.lastSeen) ? stored.lastSeen : undefined,
    };
  }

  /** Whole or not at all, for this user's eyes only. @param {State} state */
  #store(state) {
    // In the same folder, so that the replacement is one step.
    const draft = path.join(path.dirname(this.#file), `.licence-${randomUUID()}`);
    try {
      fs.mkdirSync(path.dirname(this.#file), {recursive: true, mode: 0o700});
      fs.writeFileSync(draft, JSON.stringify(state), {mode: 0o600, flag: 'wx', flush: true});
      fs.renameSync(draft, this.#file);
      return true;
    } catch {
      remove(draft);
      return false;
    }
  }
}

/**
 * The claims of a certificate that one of `keys` signed: a compact JWS (RFC 7515) with EdDSA (RFC 8037).
 * @param {unknown} certificate
 * @param {Jwk[]} keys
 * @returns {Claims}
 */
export function verified(certificate, keys) {
  const parts = typeof certificate === 'string' ? certificate.split('.') : [];
  if (parts.length !== 3) {
    throw new CertificateInvalid();
  }
  const [head, payload, signature] = parts;
  const header = jsonPart(head);
  // The algorithm is ours to choose, not the certificate's: "none" is no signature.
  if (header.alg !== 'EdDSA' || 'crit' in header) {
    throw new CertificateInvalid();
  }
  for (const key of keys) {
    if (key.kid === header.kid && key.kty === 'OKP' && key.crv === 'Ed25519' && isSigned(key, `${head}.${payload}`, signature)) {
      const claims = jsonPart(payload);
      if (Number.isSafeInteger(claims.iat) && Number.isSafeInteger(claims.exp)) {
        return claims;
      }
    }
  }
  throw new CertificateInvalid();
}

/** @param {Jwk} key @param {string} text @param {string} signature */
function isSigned(key, text, signature) {
  const raw = part(signature);
  try {
    const publicKey = createPublicKey({key: {kty: 'OKP', crv: 'Ed25519', x: key.x}, format: 'jwk'});
    return verify(null, Buffer.from(text), publicKey, raw);
  } catch {
    return false;
  }
}

/** Which key a certificate names, to know whether it has to be fetched. Not believed before the signature is. @param {unknown} certificate */
function kidOf(certificate) {
  try {
    return typeof certificate === 'string' ? jsonPart(certificate.split('.')[0]).kid : undefined;
  } catch {
    return undefined;
  }
}

/** Where that can be done. @param {string} file */
function remove(file) {
  try {
    fs.rmSync(file, {force: true});
  } catch {
    // What stays behind harms nobody.
  }
}

/** @param {string} text */
function part(text) {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) {
    throw new CertificateInvalid();
  }
  return Buffer.from(text, 'base64url');
}

/** @param {string} text @returns {any} */
function jsonPart(text) {
  let document;
  try {
    document = JSON.parse(part(text).toString('utf8'));
  } catch {
    throw new CertificateInvalid();
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    throw new CertificateInvalid();
  }
  return document;
}

/** A body, as far as an answer of the shop's may be long. @param {Response} response */
async function bounded(response) {
  /** @type {Uint8Array[]} */
  const pieces = [];
  let length = 0;
  for await (const piece of /** @type {any} */ (response.body ?? [])) {
    length += piece.length;
    if (length > LONGEST_ANSWER) return '';
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

/** A time of the API in seconds since 1970. @param {unknown} text */
function seconds(text) {
  const milliseconds = typeof text === 'string' ? Date.parse(text) : NaN;
  return Number.isNaN(milliseconds) ? undefined : Math.floor(milliseconds / 1000);
}

/** @param {string | null} text */
function httpDate(text) {
  return text === null ? undefined : seconds(text);
}

/** Retry-After is a number of seconds, or a date. @param {string | null} text @param {number} now */
function retryAfter(text, now) {
  if (text === null) return undefined;
  if (/^\d{1,9}$/.test(text.trim())) return Number(text);
  const date = httpDate(text);
  return date === undefined ? undefined : Math.max(0, Math.floor(date - now));
}
