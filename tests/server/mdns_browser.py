"""A machine that browses as Home Assistant does, one line for each thing it learns: ADDRESS."""

import asyncio
import sys

from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncZeroconf

SERVICE = "_wyoming._tcp.local."


async def browse(address: str) -> None:
    """For ever: `Added`, `Updated` or `Removed`, and the addresses and port as now known."""
    changes: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    zeroconf = AsyncZeroconf(interfaces=[address])

    def changed(
        zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange
    ) -> None:
        changes.put_nowait((state_change.name, name))

    AsyncServiceBrowser(zeroconf.zeroconf, SERVICE, handlers=[changed])
    print("browsing", flush=True)
    while True:
        what, name = await changes.get()
        if what != "Removed":
            await asyncio.sleep(1.2)  # what is replaced stays for 1 s (RFC 6762, 10.2)
        info = await zeroconf.async_get_service_info(SERVICE, name, 100)
        addresses = sorted(info.parsed_addresses()) if info and what != "Removed" else []
        print(what, name.removesuffix(f".{SERVICE}"), *addresses, flush=True)


if __name__ == "__main__":
    asyncio.run(browse(sys.argv[1]))
