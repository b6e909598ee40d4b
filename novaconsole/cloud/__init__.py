"""OpenStack: find a server, request a URL for its console, fetch its console log."""
