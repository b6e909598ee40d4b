"""`python -m novaconsole`, and the command `novaconsole`: the same program.

Nothing is imported at the top, for Ctrl-C must be quiet from the first moment on.
"""


def main() -> None:
    """Run the program and exit with its status."""
    try:
        from novaconsole.cli.app import main as run
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    run()


if __name__ == "__main__":
    main()
