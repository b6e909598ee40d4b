"""The standard streams: terminals, pipes, messages and signals."""
