"""The files that a session writes: the log and the recording."""
