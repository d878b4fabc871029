"""Starts the server as an app of Home Assistant: start_server.py [PORT [HTTP_PORT]], as root.

The Supervisor writes the app's options to data/options.json, for root only. They are the server's
own settings; those that are empty are left out. What the server writes is given to its user.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from process import become_user, beside

OPTIONS, SETTINGS, DATA = Path("data/options.json"), Path("data/settings.json"), Path("data")
VOICES = Path("config/voices")


def main() -> None:
    """Become the server."""
    port, http_port = [*sys.argv[1:], *("10200", "8002")[len(sys.argv) - 1 :]]
    options = json.loads(OPTIONS.read_text()) if OPTIONS.exists() else {}
    SETTINGS.write_text(json.dumps(without_empty(options)))
    VOICES.mkdir(parents=True, exist_ok=True)
    become_user([DATA, VOICES])
    beside(Path(__file__).with_name("discovery.py"), port)
    os.environ.pop("SUPERVISOR_TOKEN", None)
    words = ["-m", "wyoming_csm", "serve", "--config", str(SETTINGS), "--data-dir", str(DATA)]
    words += ["--uri", f"tcp://0.0.0.0:{port}", "--http", f"0.0.0.0:{http_port}", "--no-zeroconf"]
    os.execv(sys.executable, [sys.executable, *words])


def without_empty(options: dict[str, Any]) -> dict[str, Any]:
    """Leave out what a form leaves empty: null, "", {} and []."""
    full = {
        name: without_empty(value) if isinstance(value, dict) else value
        for name, value in options.items()
    }
    return {name: value for name, value in full.items() if value not in (None, "", {}, [])}


if __name__ == "__main__":
    main()
