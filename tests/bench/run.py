"""Measure novaconsole beside its peers; print a table, and write it as JSON.

    python tests/bench/run.py [NAME ...] [--pairs 5] [--json FILE]

Each value is our median divided by the peer's, from runs that took turns.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the directory of the tests

from bench import flow, footprint, reaction
from bench.report import Figure, table, write_json
from bench.sshd import SSH, NoSSH, ssh_server
from bench.suite import Bench

GROUPS: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    group.__name__: group
    for group in (
        flow.throughput,
        flow.files,
        flow.long_way,
        flow.steady,
        flow.websockify,
        reaction.echo,
        reaction.interrupt,
        reaction.leave,
        footprint.startup,
        footprint.memory,
        footprint.idle,
        footprint.endurance,
        footprint.stuck,
        flow.paste,
    )
}
_WITH_SSH = {"echo", "interrupt"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Measure novaconsole beside its peers, in turn.",
        epilog=f"names: {' '.join(GROUPS)}",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="what to measure [default: everything]"
    )
    parser.add_argument(
        "--pairs", type=int, default=5, help="runs of each client [default: 5]"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write all samples to this file"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="small sizes, only to check that everything works",
    )
    options = parser.parse_args()
    if unknown := set(options.names) - set(GROUPS):
        parser.error(f"no such figure: {', '.join(sorted(unknown))}")
    names = options.names or list(GROUPS)

    started = time.monotonic()
    with ExitStack() as stack:
        bench = Bench(options.pairs, options.quick, ssh=None)
        if _WITH_SSH.intersection(names):
            bench.ssh = _ssh(stack, bench)
        figures: list[Figure] = []
        for name in names:
            print(f"{name} ...", file=sys.stderr, flush=True)
            figures += GROUPS[name](bench)
    print(table(figures))
    for remark in bench.remarks:
        print(remark)
    if options.json:
        write_json(
            options.json,
            figures,
            bench.remarks,
            pairs=options.pairs,
            quick=options.quick,
            seconds=round(time.monotonic() - started),
        )


def _ssh(stack: ExitStack, bench: Bench) -> SSH | None:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    try:
        return stack.enter_context(ssh_server(directory))
    except NoSSH as exc:
        bench.remark(f"ssh: skipped: {exc}")
        return None


if __name__ == "__main__":
    main()
