"""Terminal control sequences, as ECMA-48 and xterm define them; no I/O here."""
