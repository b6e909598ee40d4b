"""What a guest prints and what to type into it; no I/O here."""
