"""Load on the site while it is worked on: every answer is looked at, every failure counted and shown.

usage: load.py HTTPS_PORT CERTIFICATE REPORT

Runs until standard input ends, at most three minutes. Half of the clients open a connection for each request, half keep
theirs. A kept connection that turns out to be closed before any byte of an answer came is opened again once, as RFC 9110
(9.2.2) has clients do for reads; writes go over new connections only. The report is JSON.
"""

import http.client
import json
import socket
import ssl
import sys
import threading
import time

LIMIT_SECONDS = 180
PAUSE_SECONDS = 0.01

port, certificate, report_path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
context = ssl.create_default_context(cafile=certificate)
stop = threading.Event()
lock = threading.Lock()
seen = {}
failures = []
reopened = 0


def note(kind, status, body):
    with lock:
        seen[f"{kind} {status}"] = seen.get(f"{kind} {status}", 0) + 1
        if status != 200 and len(failures) < 20:
            failures.append(f"{kind}: {status} {body[:300]}")


class Connection(http.client.HTTPSConnection):
    """To loopback, whatever the machine knows of the name."""

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", port), timeout=self.timeout)
        self.sock = context.wrap_socket(plain, server_hostname="demo.localhost")


def connect():
    return Connection("demo.localhost", port, context=context, timeout=40)


def read(connection):
    connection.request("GET", "/api/releases", headers={"Host": "demo.localhost"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(errors="replace")


def write():
    connection = connect()
    try:
        body = json.dumps({"licKey": "LIC-AAAA-BBBB-CCCC"})
        connection.request("POST", "/api/licences/validate", body,
                           {"Host": "demo.localhost", "Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def with_new_connections():
    while not stop.is_set():
        for kind in ("read", "write"):
            try:
                if kind == "read":
                    connection = connect()
                    try:
                        note("read", *read(connection))
                    finally:
                        connection.close()
                else:
                    note("write", *write())
            except OSError as error:
                note(kind, "broken", repr(error))
            except http.client.HTTPException as error:
                note(kind, "broken", repr(error))
        time.sleep(PAUSE_SECONDS)


def with_a_kept_connection():
    global reopened
    connection, used = connect(), False
    while not stop.is_set():
        try:
            note("kept", *read(connection))
            used = True
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError, ssl.SSLEOFError) as error:
            connection.close()
            connection = connect()
            if not used:
                note("kept", "broken", repr(error))
            used = False
            with lock:
                reopened += 1
        except (OSError, http.client.HTTPException) as error:
            note("kept", "broken", repr(error))
            connection.close()
            connection, used = connect(), False
        time.sleep(PAUSE_SECONDS)


clients = [threading.Thread(target=work, daemon=True)
           for work in (with_new_connections, with_a_kept_connection) for _ in range(4)]
began = time.monotonic()
for client in clients:
    client.start()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
stop.wait(LIMIT_SECONDS)
stop.set()
for client in clients:
    client.join(45)
with open(report_path, "w", encoding="utf-8") as report:
    json.dump({"seconds": round(time.monotonic() - began, 1), "answers": seen, "requests": sum(seen.values()),
               "failed": sum(count for kind, count in seen.items() if not kind.endswith(" 200")),
               "reopened": reopened, "failures": failures}, report, indent=1)
