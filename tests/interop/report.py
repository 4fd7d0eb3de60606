"""What the run found, as tables: on the terminal, and in ``docs/interop.md``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.interop.capture import Captured
    from tests.interop.products import Product

PAGE = Path(__file__).parent / "page.md"
_SHOWN = 48
_FORWARDS = {True: "certificate and chain", False: "certificate only"}


class Report:
    """Cells by section, row and product, in the order in which they came; and what was captured of each product."""

    def __init__(self) -> None:
        self.cells: dict[str, dict[str, dict[str, str]]] = {}
        self.captured: dict[str, Captured] = {}
        self.skipped: dict[str, str] = {}

    def add(self, section: str, row: str, product: str, what: str) -> None:
        """What happened in one cell."""
        self.cells.setdefault(section, {}).setdefault(row, {})[product] = what

    def tables(self, products: Iterable[Product]) -> str:
        """Every section as a Markdown table: a row a case, a column a product."""
        present = [product.name for product in products if product.name not in self.skipped]
        parts: list[str] = []
        for section, rows in self.cells.items():
            columns = dict.fromkeys(column for cells in rows.values() for column in cells)
            names = present if set(columns) <= set(present) else list(columns)
            parts += [f"## {section}", "", "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
            parts += [f"| {row} | " + " | ".join(cells.get(name, "") for name in names) + " |" for row, cells in rows.items()]
            parts.append("")
        return "\n".join(parts)

    def write(self, path: Path, products: Iterable[Product]) -> None:
        """The page: what was run, and nothing more."""
        products = tuple(products)
        rows = (
            (
                product.name,
                product.title,
                product.version(),
                f"`{product.preset.name}`",
                _FORWARDS[product.sends_chain],
            )
            for product in products
        )
        text = PAGE.read_text("utf-8")
        for mark, table in {
            "@PRODUCTS@": "\n".join(f"| {' | '.join(row)} |" for row in rows),
            "@CAPTURED@": "\n".join(self._captured_rows()),
            "@TABLES@": self.tables(products),
        }.items():
            text = text.replace(mark, table)
        path.write_text(text.rstrip() + "\n", "utf-8")

    def _captured_rows(self) -> Iterable[str]:
        for name, captured in self.captured.items():
            without = dict(captured.document["lines_without_certificate"])
            for header, value in captured.document["lines"]:
                absent = _shown(without[header]) if header in without else "no header"
                yield f"| {name} | `{header}` | {_shown(value)} | {absent} |"


def _shown(value: str) -> str:
    """A value in a cell: cut, with its white space visible."""
    if not value:
        return "empty"
    cut = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}… ({len(value)} characters)"
    return "`" + cut.replace("\t", "⇥").replace("|", "\\|") + "`"
