"""`python -m novaconsole`, and the command `novaconsole`: the same program.

Nothing is imported at the top, so that Ctrl-C is quiet from the first moment on.
"""


def main() -> None:
    """Run the program and exit with its status."""
    try:
        from novaconsole.cli.app import main as run
    except KeyboardInterrupt:
        from novaconsole.errors import STATUS_INTERRUPTED

        raise SystemExit(STATUS_INTERRUPTED) from None
    run()


if __name__ == "__main__":
    main()
