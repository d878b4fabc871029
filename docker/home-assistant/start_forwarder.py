"""Starts the forwarder as an app of Home Assistant: start_forwarder.py [PORT [HTTP_PORT]].

The Supervisor writes the app's options to data/options.json. haproxy passes on.
"""

import json
import os
import re
import sys
from pathlib import Path

from process import become_user, beside

OPTIONS = Path("data/options.json")
HERE = Path(__file__).parent


def main() -> None:
    """Become haproxy."""
    port, http_port = [*sys.argv[1:], *("10200", "8002")[len(sys.argv) - 1 :]]
    options = json.loads(OPTIONS.read_text())
    try:
        settings = variables(options) | {"APP_PORT": port, "APP_HTTP_PORT": http_port}
    except ValueError as error:
        sys.exit(f"forwarder: {error}")
    # Where to listen, and from where the Supervisor asks.
    own = {"APP_BIND": "0.0.0.0", "APP_INGRESS": "172.30.32.2"} | os.environ
    become_user()
    beside(HERE / "discovery.py", port)
    own.pop("SUPERVISOR_TOKEN", None)
    print(f"forwarder: passing on to {settings['APP_HOST']}", file=sys.stderr, flush=True)
    os.execvpe("haproxy", ["haproxy", "-db", "-f", str(HERE / "haproxy.cfg")], own | settings)


def variables(options: dict[str, object]) -> dict[str, str]:
    """Return haproxy's variables. Raises ValueError in words for people."""
    host, token = str(options.get("host") or ""), str(options.get("token") or "")
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", host):
        raise ValueError("the option `host` must be the GPU host's name or IPv4 address")
    if not re.fullmatch(r"[!-~]*", token):
        raise ValueError("the option `token` holds a blank or a character that no token has")
    found = {
        "APP_HOST": host,
        "APP_HOST_PORT": str(options.get("port") or 10200),
        "APP_HOST_HTTP_PORT": str(options.get("http_port") or 8002),
    }
    return found | ({"APP_TOKEN": token.replace("%", "%%")} if token else {})


if __name__ == "__main__":
    main()
