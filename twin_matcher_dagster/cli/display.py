"""Progress of all stages in a terminal; plain lines where there is none (a log, a CI)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn

from twin_matcher_dagster.cli.run_watcher import Stage
from twin_matcher_dagster.local import services
from twin_matcher_dagster.settings import Settings


def teller(console: Console) -> Callable[[str], None]:
    """Prints a sentence with the time, as it is."""

    def tell(sentence: str) -> None:
        console.print(f"{time.strftime('%H:%M:%S')} {sentence}", highlight=False, markup=False)

    return tell


def dagster_address(settings: Settings, console: Console) -> str:
    """Where Dagster is. The token is in it for whoever sits before a terminal: a log would keep it.

    Args:
        settings: of the installation.
        console: where it is shown.
    """
    if console.is_terminal:
        return services.sign_in_url(settings)
    return settings.dagster_address


class Display:
    """One line a stage."""

    def __init__(self, console: Console, stages: Sequence[str]) -> None:
        self._console = console
        self._said: dict[str, tuple[str, int]] = {}
        self._bars = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._tasks = {name: self._bars.add_task(name, total=1.0, note="") for name in stages}

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def show(self, name: str, stage: Stage) -> None:
        """Bring one stage's line up to date."""
        note = stage.note or stage.status
        self._bars.update(self._tasks[name], completed=stage.share, note=f"[dim]{escape(note)}[/]")
        if self._console.is_terminal or stage.status == "waiting":
            return
        # One line a change, and one every fifth of the way.
        now = (stage.status, int(stage.share * 5) if stage.status == "running" else 0)
        if self._said.get(name) != now:
            self._said[name] = now
            share = f" {stage.share:.0%}" if stage.status == "running" else ""
            detail = f"  {escape(stage.note)}" if stage.note else ""
            self._console.print(f"{name:<20} {stage.status}{share}{detail}", highlight=False)
