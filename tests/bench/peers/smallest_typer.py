"""The smallest program with typer that has `--version` and `--help`."""

from typing import Annotated

import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


def print_version(wanted: bool) -> None:
    if wanted:
        typer.echo("smallest 1.0")
        raise typer.Exit


@app.command()
def main(
    version: Annotated[  # only its callback counts
        bool, typer.Option("--version", is_eager=True, callback=print_version)
    ] = False,
) -> None:
    """Do nothing."""


if __name__ == "__main__":
    app()
