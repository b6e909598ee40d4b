"""A console to connect to: where it is, how to reach it, and how it ended."""
