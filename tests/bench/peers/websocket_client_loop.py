"""websocket-client in a poll loop, as python-zunclient attaches a terminal."""

import os
import select
import sys

import websocket


def main(url: str) -> None:
    ws = websocket.create_connection(url, subprotocols=["binary"])
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(ws.sock, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == 0:
                ws.send_binary(os.read(0, 65536))
            elif data := ws.recv():
                os.write(1, data)
            else:
                return


if __name__ == "__main__":
    main(sys.argv[1])
