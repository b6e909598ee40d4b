"""The websocket: frames, flow control, keepalive and the closing handshake."""
