"""Tries the licence client out:

    python3 demo.py --server URL --tenant SLUG --product SKU --state FOLDER [options] activate KEY | check | deactivate

KEY may be - to read it from standard input, where no list of processes shows it. What came of it is one JSON document on
standard output, and the exit code: 0 where the program may run (or the licence is free), 1 where the user must act, 3
where the shop has to be asked later.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from licence_client import LicenceClient


def main() -> int:
    parser = argparse.ArgumentParser(description="Tries the licence client out.")
    parser.add_argument("--server", required=True)
    parser.add_argument("--tenant", required=True)
    parser.add_argument("--product", required=True)
    parser.add_argument("--state", required=True, type=Path)
    parser.add_argument("--fingerprint", help="in place of the machine's own")
    parser.add_argument("--device-name")
    parser.add_argument("--trusted-keys", type=Path, help="a JWK set that the program is built with")
    # To see what time does. A program that is sold has no such option.
    parser.add_argument("--clock-offset", type=int, default=0)
    parser.add_argument("command", choices=["activate", "check", "deactivate"])
    parser.add_argument("key", nargs="?")
    words = parser.parse_args()
    client = LicenceClient(
        server=words.server,
        tenant=words.tenant,
        product_sku=words.product,
        state_folder=words.state,
        fingerprint=words.fingerprint,
        trusted_keys=json.loads(words.trusted_keys.read_text(encoding="utf-8")) if words.trusted_keys else None,
        clock=lambda: time.time() + words.clock_offset,
    )
    if words.command == "activate":
        if not words.key:
            parser.error("which key?")
        key = sys.stdin.readline() if words.key == "-" else words.key
        result = client.activate(key, words.device_name)
    elif words.command == "check":
        result = client.check()
    else:
        result = client.deactivate()
    print(json.dumps({name: value for name, value in asdict(result).items() if value is not None}))
    if result.may_run or result.outcome == "DEACTIVATED":
        return 0
    return 3 if result.outcome == "UNREACHABLE" else 1


if __name__ == "__main__":
    sys.exit(main())
