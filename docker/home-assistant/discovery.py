"""Tells Home Assistant's Supervisor where an app serves Wyoming, once it does: discovery.py PORT.

The Supervisor's token comes in SUPERVISOR_TOKEN. The address is the app's host name: the
Supervisor's DNS has one IPv4 address for it, always today's, while Home Assistant would go on using
the address itself after the next start has given it to another app.
"""

import argparse
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request

SECONDS = 10.0
LONGEST_DELAY = 60.0
DESCRIBE = b'{"type": "describe"}\n'


def main() -> int:
    """Return 0 once the Supervisor knows, 1 if it never will."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--host", default=socket.gethostname(), help="as Home Assistant reaches it")
    where = os.environ.get("WYOMING_CSM_SUPERVISOR", "http://supervisor")
    parser.add_argument("--supervisor", default=where)
    parser.add_argument("--delay", type=float, default=1.0, help="seconds before the second try")
    words = parser.parse_args()
    token = os.environ.get("SUPERVISOR_TOKEN")
    if not token:
        print("discovery: no SUPERVISOR_TOKEN: this is no app of Home Assistant", file=sys.stderr)
        return 1
    delay = words.delay
    while not describes(words.port):
        time.sleep(delay)
        delay = min(delay * 1.5, LONGEST_DELAY)
    uri = f"tcp://{words.host}:{words.port}"
    delay = words.delay
    while True:
        try:
            tell(words.supervisor, token, uri)
        except urllib.error.HTTPError as error:
            why = f"the Supervisor answers {error.code}: {error.read(500).decode(errors='replace')}"
            if error.code < 500 and error.code not in (408, 429):
                print(f"discovery: {why}; add {uri} by hand", file=sys.stderr)
                return 1
        except (OSError, ValueError) as error:
            why = f"the Supervisor cannot be reached: {error}"
        else:
            print(f"discovery: Home Assistant was told of {uri}", file=sys.stderr)
            return 0
        print(f"discovery: {why}; trying again in {delay:.0f} s", file=sys.stderr)
        time.sleep(delay)
        delay = min(delay * 2, LONGEST_DELAY)


def describes(port: int) -> bool:
    """Tell whether Wyoming is served here: behind a forwarder, whether it is there."""
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as connection:
            connection.sendall(DESCRIBE)
            with connection.makefile("rb") as answer:
                return bool(json.loads(answer.readline(65_536)).get("type") == "info")
    except (OSError, ValueError, AttributeError):
        return False


def tell(supervisor: str, token: str, uri: str) -> None:
    """Post the discovery. Raises OSError, of which HTTPError is one, and ValueError."""
    request = urllib.request.Request(
        f"{supervisor}/discovery",
        json.dumps({"service": "wyoming", "config": {"uri": uri}}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        if json.load(answer).get("result") != "ok":
            raise ValueError("it does not say that it is done")


if __name__ == "__main__":
    sys.exit(main())
