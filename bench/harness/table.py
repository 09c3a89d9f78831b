"""Markdown tables from rows."""
from __future__ import annotations

from .sample import Row


def table(header: list[str], lines: list[list[str]]) -> str:
    """First column left, the others right."""
    rule = [":--"] + ["--:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [header, rule, *lines])


def number(value: float) -> str:
    """Three significant digits are more than a shared machine can repeat."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def ratio(value: float, reference: float) -> str:
    return f"{value / reference:.1f}" if reference else "–"


def failed(row: Row, columns: int) -> list[str]:
    """A row that could not be measured says why, in one line, and claims nothing else."""
    reason = row.failure.replace("|", "\\|")
    return [row.label, f"— {reason}", *[""] * (columns - 2)]


def left_note(rows: list[Row]) -> str:
    """Names rows whose processes outlived the command by seconds: their CPU time is short of the truth."""
    found = [f"{row.label}: {row.left}" for row in rows if row.left]
    return f"\nProcesses that stayed and were killed: {'; '.join(found)}.\n" if found else ""
