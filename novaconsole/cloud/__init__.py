"""OpenStack: find a server, ask for the URL of its console, fetch its console log."""
