"""The command line: options, what they mean, and the exit status."""
