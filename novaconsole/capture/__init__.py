"""What a session leaves behind: the log and the recording."""
