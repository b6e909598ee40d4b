"""websockets (asyncio), the way its documentation reads and writes."""

import asyncio
import os
import sys

from websockets.asyncio.client import connect


async def main(url: str) -> None:
    options = {"compression": None, "ping_interval": None, "proxy": None}
    async with connect(url, subprotocols=["binary"], **options) as ws:
        keys: asyncio.Queue[bytes] = asyncio.Queue()

        async def send_keys() -> None:
            while True:
                await ws.send(await keys.get())

        loop = asyncio.get_running_loop()
        loop.add_reader(0, lambda: keys.put_nowait(os.read(0, 65536)))
        sending = asyncio.create_task(send_keys())
        async for message in ws:
            os.write(1, message)
        sending.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
