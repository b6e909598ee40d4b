"""From a URL to a byte stream: TCP, TLS and proxies."""
