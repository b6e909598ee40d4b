"""What the program does: attach, run a command, check the way to a console."""
