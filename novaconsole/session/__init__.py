"""One person at one console: keyboard, screen, and the state between them."""
