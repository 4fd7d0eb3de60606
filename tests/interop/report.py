"""What the run found, as tables: on the terminal, and in ``docs/interop.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.interop.products import Product


class Report:
    """Cells by section, row and product, in the order in which they came."""

    def __init__(self) -> None:
        self.cells: dict[str, dict[str, dict[str, str]]] = {}
        self.skipped: dict[str, str] = {}

    def add(self, section: str, row: str, product: str, what: str) -> None:
        """What happened in one cell."""
        self.cells.setdefault(section, {}).setdefault(row, {})[product] = what

    def tables(self, products: Iterable[Product]) -> str:
        """Every section as a Markdown table: a row a case, a column a product."""
        names = [product.name for product in products if product.name not in self.skipped]
        parts = []
        for section, rows in self.cells.items():
            parts += [f"## {section}", "", "| | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
            parts += [f"| {row} | " + " | ".join(cells.get(name, "") for name in names) + " |" for row, cells in rows.items()]
            parts.append("")
        return "\n".join(parts)

    def write(self, path: Path, products: tuple[Product, ...]) -> None:
        """The page: what was run, and nothing more."""
        present = [product for product in products if product.name not in self.skipped]
        intro = (path.parent.parent / "tests/interop/interop.md").read_text("utf-8")
        versions = "\n".join(
            f"| {product.name} | {product.title} | {product.version()} | `{product.settings['AUTHZ_SOURCE_FORMAT']}` | "
            f"{'with chain' if product.sends_chain else 'leaf only'} |"
            for product in present
        )
        path.write_text(intro.replace("@PRODUCTS@", versions).replace("@TABLES@", self.tables(present)).rstrip() + "\n", "utf-8")
