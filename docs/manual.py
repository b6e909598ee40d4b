"""Make the manual page from the tables that the program itself uses.

python docs/manual.py > docs/novaconsole.1
"""

import typer

from novaconsole.cli.app import app
from novaconsole.cli.options import option_groups
from novaconsole.console.outcome import EXIT_STATUSES
from novaconsole.session.escapes import ESCAPES


def roff(text: str) -> str:
    """Escape text for roff: dashes, backslashes, a dot or quote at the start."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def entry(term: str, meaning: str) -> list[str]:
    """Format one entry of a list: a term and, indented, its meaning."""
    return [".TP", f".B {roff(term)}", roff(meaning)]


def manual() -> str:
    """Return the page in the macros of man(7)."""
    command = typer.main.get_command(app)
    help_text = (command.help or "").split("\n\n")
    lines = [
        '.\\" Made by docs/manual.py.',
        ".TH NOVACONSOLE 1",
        ".SH NAME",
        "novaconsole \\- "
        + roff(help_text[0].rstrip(".")[0].lower() + help_text[0][1:-1]),
        ".SH SYNOPSIS",
        ".B novaconsole",
        "[OPTIONS] [SERVER]",
        ".SH DESCRIPTION",
    ]
    lines += [roff(" ".join(paragraph.split())) for paragraph in help_text[1:]]
    with typer.Context(command, info_name="novaconsole") as context:
        (server,) = [
            parameter.get_help_record(context)
            for parameter in command.get_params(context)
            if parameter.param_type_name == "argument"
        ]
        assert server is not None
        term, meaning = server
        # typer 0.29 adds the type to the name.
        lines += [roff(f"{term.split()[0]} is {meaning[0].lower()}{meaning[1:]}")]
        lines += [".SH OPTIONS"]
        for group, records in option_groups(command, context).items():
            lines += [f".SS {group}"]
            for record in records:
                lines += entry(*record)
    lines += [
        ".SH ESCAPES",
        "An escape is recognised at the start of a line, that is, right after Enter,",
        "and at the start of the session.",
    ]
    for escape in ESCAPES:
        lines += entry(f"~{escape.shown or '~'}", escape.meaning)
    lines += [".SH EXIT STATUS"]
    for status, meaning in EXIT_STATUSES:
        lines += entry(status, meaning)
    lines += [
        ".SH ENVIRONMENT",
        roff(
            "Each option can also be set by an environment variable: NOVACONSOLE_ and "
            "the option's name in capitals, with underscores, such as "
            "NOVACONSOLE_CLOSE_WAIT."
        ),
        "The command line takes precedence;",
        "a variable that does not fit it is ignored.",
        "NOVACONSOLE_READ_ONLY beats variables that would send something.",
        "NOVACONSOLE_HEADER and NOVACONSOLE_UNTIL may hold several values, one a line.",
        *entry("NOVACONSOLE_PASSWORD", "Password for --login."),
        ".SH SEE ALSO",
        ".BR openstack (1),",
        ".BR ssh (1)",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(manual(), end="")
