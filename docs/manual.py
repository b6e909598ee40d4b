"""Make the manual page out of the tables that the program itself uses.

python docs/manual.py > docs/novaconsole.1
"""

import typer

from novaconsole.cli.app import app
from novaconsole.cli.options import option_groups
from novaconsole.console.outcome import EXIT_STATUSES
from novaconsole.session.escapes import ESCAPES


def roff(text: str) -> str:
    """Text for roff: no line begins with a control character, no dash is a hyphen."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def entry(term: str, meaning: str) -> list[str]:
    """One row of a list."""
    return [".TP", f".B {roff(term)}", roff(meaning)]


def manual() -> str:
    """The page, in man(7)."""
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
    lines += ["SERVER is a server's name, its UUID, or a ws:// or wss:// URL."]
    lines += [".SH OPTIONS"]
    with typer.Context(command, info_name="novaconsole") as context:
        for group, records in option_groups(command, context).items():
            lines += [f".SS {group}"]
            for record in records:
                lines += entry(*record)
    lines += [".SH ESCAPES", "Recognised at the start of a line:"]
    for escape in ESCAPES:
        lines += entry(f"~{escape.shown or '~'}", escape.meaning)
    lines += [".SH EXIT STATUS"]
    for status, meaning in EXIT_STATUSES:
        lines += entry(status, meaning)
    lines += [
        ".SH ENVIRONMENT",
        roff("Every option is also read from NOVACONSOLE_ and its name in capitals,"),
        roff(
            "as in NOVACONSOLE_CLOSE_WAIT; headers in NOVACONSOLE_HEADER a line each."
        ),
        ".SH SEE ALSO",
        ".BR openstack (1),",
        ".BR ssh (1)",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(manual(), end="")
