"""picows, a websocket client in Cython: each frame is written as it comes."""

import asyncio
import os
import sys

import picows


class Screen(picows.WSListener):  # type: ignore[misc] # may not be installed
    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == picows.WSMsgType.BINARY:
            os.write(1, frame.get_payload_as_memoryview())


async def main(url: str) -> None:
    transport, _ = await picows.ws_connect(
        Screen, url, extra_headers={"Sec-WebSocket-Protocol": "binary"}
    )

    def send_keys() -> None:
        transport.send(picows.WSMsgType.BINARY, os.read(0, 65536))

    asyncio.get_running_loop().add_reader(0, send_keys)
    await transport.wait_disconnected()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
