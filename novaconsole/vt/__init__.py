"""Terminal control sequences, as ECMA-48 and xterm have them; nothing here does I/O."""
