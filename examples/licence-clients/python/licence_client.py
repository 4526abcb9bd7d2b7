"""A licence client for programs sold through a Prime Tech shop. Python 3.9 or newer, standard library alone.

    client = LicenceClient(server="https://shop.example", tenant="demo", product_sku="editor-pro",
                           state_folder=Path.home() / ".config" / "editor-pro")
    result = client.check()          # at each start
    if not result.may_run: ...       # show result.message, ask for a key, then client.activate(key)

What may be believed: a certificate that verifies, never the bare word VALID. What ends a licence here: the shop's own
word about it, never a failure on the way. docs/licence-clients.md tells why each rule is there.
"""

from __future__ import annotations

import base64
import binascii
import email.utils
import hashlib
import http.client
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Callable, Optional
from urllib.parse import urlsplit

import ed25519

DAY = 86_400
# How far a clock may be off before anyone is told: that of this device, or that of the server.
CLOCK_TOLERANCE = 300
# A certificate that is older is made anew when the shop can be asked, so that the time offline begins again.
RENEW_AFTER = DAY
# How long after its certificate a program still starts without the shop, with a warning each time.
GRACE = 3 * DAY

REQUEST_TIMEOUT = 10
LONGEST_ANSWER = 65_536
LONGEST_DEVICE_NAME = 120
# How long a call goes on trying. With a certificate at hand the user waits less: the program starts without an answer.
PATIENCE, ATTEMPTS = 30, 5
PATIENCE_WITH_CERTIFICATE, ATTEMPTS_WITH_CERTIFICATE = 5, 3
FIRST_WAIT, LONGEST_WAIT = 0.5, 8

KEY_FORM = re.compile(r"LIC-[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}")
FINGERPRINT_FORM = re.compile(r"[A-Za-z0-9._:-]{8,128}")

# What the shop says of a licence. Anything else that it refuses with is about the call, not about the licence.
LICENCE_CODES = {
    "LICENCE_NOT_FOUND",
    "LICENCE_SUSPENDED",
    "LICENCE_REVOKED",
    "LICENCE_EXPIRED",
    "LICENCE_MAX_ACTIVATIONS",
    "LICENCE_NOT_ACTIVE_HERE",
    "NOT_ACTIVATED",
    "FINGERPRINT_MISMATCH",
}

MESSAGES = {
    "VALID": "The licence is valid.",
    "DEACTIVATED": "The licence is free. It can be activated on another device.",
    "NO_LICENCE": "There is no licence on this device yet. Enter your licence key.",
    "MALFORMED_KEY": "This is no licence key. A key looks like LIC-XXXX-XXXX-XXXX; yours is in your account at the shop.",
    "LICENCE_NOT_FOUND": "The shop does not know this licence key. Compare it with the one in your account.",
    "LICENCE_MAX_ACTIVATIONS": "The licence is active on another device. Deactivate it there or in your account, then try again.",
    "LICENCE_SUSPENDED": "The licence is suspended, as while a payment is disputed. Please ask the shop.",
    "LICENCE_REVOKED": "The licence was revoked, as after a refund. Please ask the shop if you did not expect this.",
    "LICENCE_EXPIRED": "The licence has ended. Renew it in the shop.",
    "NOT_ACTIVATED": "The licence was freed for another device. Activate it again to use it on this one.",
    "FINGERPRINT_MISMATCH": "The licence is now active on another device. Free it there or in your account to use it here.",
    "WRONG_PRODUCT": "This licence is for another product.",
    "CERTIFICATE_INVALID": "The licence certificate cannot be relied on: it is damaged, or not made for this device. Connect to the internet and try again.",
    "OFFLINE_TOO_LONG": "The licence has not been checked for too long. Connect to the internet and start again.",
    "CLOCK_TURNED_BACK": "The clock of this device is behind the last check of the licence. Set date and time, or connect to the internet.",
    "CLOCK_WRONG": "The clock of this device is wrong. Set date and time, or the licence cannot be checked offline.",
    "NOT_STORED": "The licence could not be stored on this device, so it is checked online at each start.",
    "OFFLINE": "The shop cannot be reached. Look at the internet connection, then try again.",
    "NOT_THE_SHOP": "Something else answered in the shop's place, such as a network's sign-in page. Sign in there, then try again.",
    "RATE_LIMITED": "There were too many tries. Wait a while, then try again.",
    "TENANT_NOT_FOUND": "The shop cannot be found at its address. Look for an update of this program.",
    "TENANT_INACTIVE": "The shop is closed at the moment.",
    "UNAVAILABLE": "The shop cannot answer at the moment. Try again later.",
}


@dataclass
class Result:
    """What came of a call, to act on (`outcome`, `code`) and to show (`message`, `warning`)."""

    # LICENSED, LICENSED_OFFLINE, GRACE, DEACTIVATED, REFUSED (the user must act) or UNREACHABLE (try later).
    outcome: str
    code: str
    message: str
    # The key with its middle hidden, fit for a log.
    licence: Optional[str] = None
    warning: Optional[str] = None
    # Until when the program starts without the shop, in seconds since 1970.
    until: Optional[int] = None
    # When the shop wants to be asked again at the earliest, in seconds from now.
    retry_after: Optional[int] = None

    @property
    def may_run(self) -> bool:
        return self.outcome in ("LICENSED", "LICENSED_OFFLINE", "GRACE")


class Refused(Exception):
    """The shop's word about this licence, or about what was sent."""

    def __init__(self, code: str):
        super().__init__(code)
        self.code = code


class Unreachable(Exception):
    """No word of the shop's: nothing follows for the licence."""

    def __init__(self, code: str, retry_after: Optional[int] = None):
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after


class CertificateInvalid(Exception):
    """A certificate that proves nothing here."""


def masked(key: str) -> str:
    """A key as logs may have it."""
    return f"LIC-****-****-{key[-4:]}"


def machine_fingerprint(product_sku: str) -> str:
    """What tells this device from others, the same at each start, and not to be traced back to the machine.

    An installation that is cloned with its machine id has the same one; where that matters, add a serial number.
    """
    identity = ""
    try:
        if sys.platform.startswith("linux"):
            identity = Path("/etc/machine-id").read_text(encoding="ascii").strip()
        elif sys.platform == "darwin":
            shown = subprocess.run(["ioreg", "-rd1", "-c", "IOPlatformExpertDevice"], capture_output=True, text=True, timeout=5)
            found = re.search(r'"IOPlatformUUID" = "([^"]+)"', shown.stdout)
            identity = found.group(1) if found else ""
        elif sys.platform == "win32":
            import winreg

            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography") as place:
                identity = str(winreg.QueryValueEx(place, "MachineGuid")[0])
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        pass
    if not identity:
        # The network card's address and the machine's name: less lasting, better than none.
        identity = f"{uuid.getnode():012x}:{platform.node()}"
    return hashlib.sha256(f"licence client\0{product_sku}\0{identity}".encode()).hexdigest()


class LicenceClient:
    def __init__(
        self,
        server: str,
        tenant: str,
        product_sku: str,
        state_folder: Path,
        fingerprint: Optional[str] = None,
        trusted_keys: Optional[dict[str, Any]] = None,
        clock: Callable[[], float] = time.time,
    ):
        """`trusted_keys` is the shop's JWK set as the program was built with it. Without, the set is learned at the first
        activation over HTTPS, and kept: whoever may write to this device's files can then replace it."""
        parts = urlsplit(server)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")):
            raise ValueError("a licence server is asked over https")
        self._server = server.rstrip("/")
        self._tenant = tenant
        self._product_sku = product_sku
        self._file = Path(state_folder) / "licence.json"
        self._fingerprint = fingerprint or machine_fingerprint(product_sku)
        if not FINGERPRINT_FORM.fullmatch(self._fingerprint):
            raise ValueError("a fingerprint is 8 to 128 of A-Z a-z 0-9 . _ : -")
        self._trusted_keys = trusted_keys["keys"] if trusted_keys else None
        self._clock = clock
        self._server_time: Optional[float] = None

    # What a program calls

    def activate(self, key: str, device_name: Optional[str] = None) -> Result:
        """Binds a licence to this device. Again on the same device it changes nothing and succeeds."""
        key = key.strip().upper()
        if not KEY_FORM.fullmatch(key):
            return self._result("REFUSED", "MALFORMED_KEY")
        try:
            # Asked first: a licence of another product is not to be taken up by this one.
            licence = self._validate({"licKey": key}, PATIENCE, ATTEMPTS)
            if licence["productSku"] != self._product_sku:
                return self._result("REFUSED", "WRONG_PRODUCT", key)
            state = {"licKey": key, "licenceEnds": _seconds(licence.get("expiresAt"))}
            self._certify(state, PATIENCE, ATTEMPTS, device_name)
        except Refused as refused:
            return self._result("REFUSED", refused.code, key)
        except Unreachable as unreachable:
            return self._result("UNREACHABLE", unreachable.code, key, retry_after=unreachable.retry_after)
        except CertificateInvalid:
            return self._result("REFUSED", "CERTIFICATE_INVALID", key)
        return self._licensed_online(state)

    def check(self) -> Result:
        """Whether the program may run. To be asked at each start, and daily where it runs for long."""
        state = self._load()
        if state is None:
            return self._result("REFUSED", "NO_LICENCE")
        has_certificate = self._claims(state) is not None
        patience = PATIENCE_WITH_CERTIFICATE if has_certificate else PATIENCE
        attempts = ATTEMPTS_WITH_CERTIFICATE if has_certificate else ATTEMPTS
        key = state["licKey"]
        try:
            licence = self._validate({"licKey": key, "fingerprint": self._fingerprint}, patience, attempts)
            if licence["productSku"] != self._product_sku:
                raise Refused("WRONG_PRODUCT")
            state["licenceEnds"] = _seconds(licence.get("expiresAt"))
            claims = self._claims(state)
            if claims is None or self._now() - claims["iat"] > RENEW_AFTER:
                # Only after the shop said that it is active here: a licence that the user freed stays free.
                self._certify(state, patience, attempts)
        except Refused as refused:
            # Offline it must not pass from now on; the key stays, as the licence may come back.
            state.pop("certificate", None)
            self._store(state)
            return self._result("REFUSED", refused.code, key)
        except Unreachable as unreachable:
            return self._judge_offline(state, unreachable)
        except CertificateInvalid:
            # A key that this program was not built with yet: the certificate that is here holds until it ends.
            return self._judge_offline(state, Unreachable("CERTIFICATE_INVALID"))
        return self._licensed_online(state)

    def deactivate(self) -> Result:
        """Frees the licence for another device. What is stored here goes once the shop has said so, not before."""
        state = self._load()
        if state is None:
            return self._result("REFUSED", "NO_LICENCE")
        key = state["licKey"]
        try:
            self._ask("/api/licences/deactivate", {"licKey": key, "fingerprint": self._fingerprint}, PATIENCE, ATTEMPTS)
        except Refused as refused:
            # Not active here: it was freed before, perhaps by the very request whose answer was lost.
            if refused.code not in ("LICENCE_NOT_ACTIVE_HERE", "LICENCE_NOT_FOUND"):
                return self._result("REFUSED", refused.code, key)
        except Unreachable as unreachable:
            return self._result("UNREACHABLE", unreachable.code, key, retry_after=unreachable.retry_after)
        try:
            self._file.unlink()
        except OSError:
            # A file that stays is found out at the next check: the licence is not active here.
            pass
        return self._result("DEACTIVATED", "DEACTIVATED", key)

    # Verdicts

    def _result(self, outcome: str, code: str, key: Optional[str] = None, **more: Any) -> Result:
        message = MESSAGES.get(code, MESSAGES["UNAVAILABLE"])
        return Result(outcome, code, message, masked(key) if key else None, **more)

    def _licensed_online(self, state: dict[str, Any]) -> Result:
        claims = self._claims(state)
        if claims is None:
            return self._result("REFUSED", "CERTIFICATE_INVALID", state["licKey"])
        state["lastSeen"] = int(self._now())
        warning = None
        if self._server_time is not None and abs(self._clock() - self._server_time) > CLOCK_TOLERANCE:
            warning = MESSAGES["CLOCK_WRONG"]
        if not self._store(state):
            warning = MESSAGES["NOT_STORED"]
        return self._result("LICENSED", "VALID", state["licKey"], warning=warning, until=claims["exp"])

    def _judge_offline(self, state: dict[str, Any], unreachable: Unreachable) -> Result:
        key = state["licKey"]
        if "certificate" not in state and unreachable.code != "CERTIFICATE_INVALID":
            return self._result("UNREACHABLE", unreachable.code, key, retry_after=unreachable.retry_after)
        claims = self._claims(state)
        if claims is None:
            return self._result("REFUSED", "CERTIFICATE_INVALID", key)
        # The shop has not told the time: this device's clock it is, which may not go back behind what was seen.
        now = self._clock()
        if now < max(claims["iat"], state.get("lastSeen") or 0) - CLOCK_TOLERANCE:
            return self._result("REFUSED", "CLOCK_TURNED_BACK", key)
        ends = state.get("licenceEnds")
        if ends is not None and now > ends + CLOCK_TOLERANCE:
            return self._result("REFUSED", "LICENCE_EXPIRED", key)
        if now > claims["exp"] + CLOCK_TOLERANCE + GRACE:
            return self._result("REFUSED", "OFFLINE_TOO_LONG", key)
        state["lastSeen"] = max(int(now), state.get("lastSeen") or 0)
        self._store(state)
        more = {"retry_after": unreachable.retry_after}
        if now <= claims["exp"] + CLOCK_TOLERANCE:
            return self._result("LICENSED_OFFLINE", unreachable.code, key, until=claims["exp"], **more)
        until = claims["exp"] + GRACE
        last_day = time.strftime("%Y-%m-%d", time.gmtime(until))
        warning = f"The licence could not be checked for a long time. Connect to the internet before {last_day}."
        return self._result("GRACE", unreachable.code, key, warning=warning, until=until, **more)

    def _now(self) -> float:
        """The shop's time where it has told it in this call, this device's otherwise."""
        return self._clock() if self._server_time is None else self._server_time

    # Certificates

    def _certify(self, state: dict[str, Any], patience: float, attempts: int, device_name: Optional[str] = None) -> None:
        """Activates on this device, which for the active one changes nothing, and keeps the fresh certificate."""
        body = {"licKey": state["licKey"], "fingerprint": self._fingerprint}
        if device_name:
            body["deviceName"] = device_name[:LONGEST_DEVICE_NAME]
        certificate = self._ask("/api/licences/activate", body, patience, attempts).get("certificate")
        keys = state.get("keys", [])
        if self._trusted_keys is None and _kid_of(certificate) not in [key.get("kid") for key in keys]:
            keys = self._ask("/.well-known/licence-keys.json", None, patience, attempts).get("keys", [])
        candidate = {**state, "certificate": certificate, "keys": keys}
        if self._claims(candidate) is None:
            raise CertificateInvalid
        state.update(candidate)

    def _claims(self, state: dict[str, Any]) -> Optional[dict[str, Any]]:
        """What the stored certificate says, where it is genuine and speaks of this licence, product and device."""
        try:
            keys = self._trusted_keys if self._trusted_keys is not None else state.get("keys", [])
            claims = verified(state.get("certificate"), keys)
            wanted = {
                "licKey": state["licKey"],
                "fingerprint": self._fingerprint,
                "tenant": self._tenant,
                "productSku": self._product_sku,
            }
            return claims if all(claims.get(name) == value for name, value in wanted.items()) else None
        except CertificateInvalid:
            return None

    # Calls

    def _validate(self, body: dict[str, Any], patience: float, attempts: int) -> dict[str, Any]:
        answer = self._ask("/api/licences/validate", body, patience, attempts)
        if answer.get("code") in LICENCE_CODES:
            raise Refused(answer["code"])
        licence = answer.get("licence")
        if answer.get("code") != "VALID" or not isinstance(licence, dict) or "productSku" not in licence:
            raise Unreachable("NOT_THE_SHOP")
        return licence

    def _ask(self, path: str, body: Optional[dict[str, Any]], patience: float, attempts: int) -> dict[str, Any]:
        """One call, tried several times. Each try is the same request to the letter: licence calls may be repeated, as key
        and fingerprint say what is meant, so that a lost answer does no harm."""
        deadline = time.monotonic() + patience
        for attempt in range(1, attempts + 1):
            try:
                return self._ask_once(path, body)
            except Unreachable as unreachable:
                # Full jitter: a thousand programs that lost the shop at once do not come back at once.
                wait = random.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)))
                if unreachable.retry_after is not None:
                    wait += unreachable.retry_after
                lasting = unreachable.code in ("NOT_THE_SHOP", "TENANT_NOT_FOUND", "TENANT_INACTIVE")
                if lasting or attempt == attempts or time.monotonic() + wait > deadline:
                    raise
                time.sleep(wait)
        raise AssertionError("there is at least one attempt")

    def _ask_once(self, path: str, body: Optional[dict[str, Any]]) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        request = urllib.request.Request(self._server + path, data=data, headers=headers)
        try:
            with _OPENER.open(request, timeout=REQUEST_TIMEOUT) as response:
                status, head, text = response.status, response.headers, response.read(LONGEST_ANSWER + 1)
        except urllib.error.HTTPError as error:
            try:
                status, head, text = error.code, error.headers, error.read(LONGEST_ANSWER + 1)
            except (OSError, ValueError) as failure:
                raise Unreachable("OFFLINE") from failure
        # urllib lets some of http.client's own failures through, which are no OSError.
        except (OSError, urllib.error.URLError, http.client.HTTPException) as failure:
            raise Unreachable("OFFLINE") from failure
        try:
            document = json.loads(text) if len(text) <= LONGEST_ANSWER else None
        except ValueError:
            document = None
        error = document.get("error") if isinstance(document, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        if 200 <= status < 300 and isinstance(document, dict):
            self._server_time = _http_date(head.get("Date"))
            return document
        if code in LICENCE_CODES:
            raise Refused(code)
        if status in (429, 500, 502, 503, 504):
            raise Unreachable(code or "UNAVAILABLE", _retry_after(head.get("Retry-After"), self._clock()))
        raise Unreachable(code or "NOT_THE_SHOP")

    # What is kept on this device

    def _load(self) -> Optional[dict[str, Any]]:
        """What is stored, or None where that is nothing, or nothing that can be used."""
        try:
            state = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if not isinstance(state, dict) or not KEY_FORM.fullmatch(str(state.get("licKey"))):
            return None
        # Another program's hand may have been in it: what is not of its type is as if it were not there.
        for name, kind in (("certificate", str), ("keys", list), ("licenceEnds", int), ("lastSeen", int)):
            if name in state and type(state[name]) is not kind:
                del state[name]
        state["keys"] = [key for key in state.get("keys", []) if isinstance(key, dict)]
        return state

    def _store(self, state: dict[str, Any]) -> bool:
        """Whole or not at all, for this user's eyes only."""
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # mkstemp makes it 0600; its folder is that of the file, so that the replacement is one step.
            handle, name = tempfile.mkstemp(dir=self._file.parent, prefix=".licence-")
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump(state, file)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self._file)
            except OSError:
                os.unlink(name)
                raise
            return True
        except OSError:
            return False


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The API never redirects: what does is not the shop, and is not sent a licence key."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirects)



def verified(certificate: Any, keys: list[dict[str, Any]]) -> dict[str, Any]:
    """The claims of a certificate that one of `keys` signed: a compact JWS (RFC 7515) with EdDSA (RFC 8037)."""
    if not isinstance(certificate, str) or certificate.count(".") != 2:
        raise CertificateInvalid
    head, payload, signature = certificate.split(".")
    header = _json_part(head)
    # The algorithm is ours to choose, not the certificate's: "none" is no signature.
    if header.get("alg") != "EdDSA" or "crit" in header:
        raise CertificateInvalid
    for key in keys:
        if key.get("kid") == header.get("kid") and key.get("kty") == "OKP" and key.get("crv") == "Ed25519":
            if ed25519.verify(_part(key.get("x")), f"{head}.{payload}".encode(), _part(signature)):
                claims = _json_part(payload)
                if type(claims.get("iat")) is int and type(claims.get("exp")) is int:
                    return claims
    raise CertificateInvalid


def _kid_of(certificate: Any) -> Any:
    """Which key a certificate names, to know whether it has to be fetched. Not believed before the signature is."""
    try:
        return _json_part(certificate.split(".")[0]).get("kid")
    except (CertificateInvalid, AttributeError):
        return None


def _part(text: Any) -> bytes:
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        raise CertificateInvalid
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise CertificateInvalid from error


def _json_part(text: Any) -> dict[str, Any]:
    try:
        document = json.loads(_part(text))
    except ValueError as error:
        raise CertificateInvalid from error
    if not isinstance(document, dict):
        raise CertificateInvalid
    return document


def _seconds(text: Any) -> Optional[int]:
    """A time of the API in seconds since 1970."""
    try:
        return int(datetime.fromisoformat(re.sub(r"(\.\d+)?Z$", "+00:00", text)).timestamp())
    except (TypeError, ValueError):
        return None


def _http_date(text: Optional[str]) -> Optional[float]:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp() if text else None
    except (TypeError, ValueError):
        return None


def _retry_after(text: Optional[str], now: float) -> Optional[int]:
    """Retry-After is a number of seconds, or a date."""
    if text is None:
        return None
    if re.fullmatch(r"\d{1,9}", text.strip()):
        return int(text)
    date = _http_date(text)
    return None if date is None else max(0, int(date - now))
