"""One step of `--check`, as it is told to people and to programs."""

from dataclasses import dataclass, field

from novaconsole.events import Field


@dataclass
class Step:
    """One step.

    Attributes:
        name: the same in every release.
        mark: `ok`, `failed` or `skipped`.
        detail: what was found, for people.
        hint: what to try, if it failed.
        seconds: how long it took.
        fields: what was found, for programs.
    """

    name: str
    mark: str = "ok"
    detail: str = ""
    hint: str | None = None
    seconds: float = 0
    fields: dict[str, Field] = field(default_factory=dict)

    def as_line(self) -> str:
        """The line for people."""
        mark = {"ok": "ok", "failed": "FAIL", "skipped": "skip"}[self.mark]
        return f"{mark:4} {self.name}: {self.detail}"

    def as_event(self) -> dict[str, Field]:
        """The fields of the event `check`."""
        row: dict[str, Field] = {"step": self.name, "mark": self.mark}
        row |= {"detail": self.detail, "hint": self.hint}
        return row | {"seconds": round(self.seconds, 4)} | self.fields
