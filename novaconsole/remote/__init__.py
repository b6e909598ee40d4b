"""Commands that run in a guest, with their input and output."""
