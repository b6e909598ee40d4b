"""The command line: options, the request that they make, and the exit status."""
