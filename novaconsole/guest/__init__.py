"""What a guest prints and what to type into it; nothing here does I/O."""
