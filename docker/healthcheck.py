"""Exit 0 if a Wyoming server on this machine answers Describe: healthcheck.py [PORT]."""

import json
import socket
import sys


def main() -> int:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 10200
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=4) as connection:
            connection.settimeout(4)
            connection.sendall(b'{"type": "describe"}\n')
            with connection.makefile("rb") as answer:
                header = json.loads(answer.readline(65_536))
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0 if header.get("type") == "info" else 1


if __name__ == "__main__":
    sys.exit(main())
