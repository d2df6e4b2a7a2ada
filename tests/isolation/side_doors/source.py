"""The product's own source, for rules that no single test can try: its strings and its statements."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.servers import BACKEND


def product_files() -> list[Path]:
    """Everything that runs in a process of ours; migrations are made from models."""
    return [
        path
        for room in ("apps", "config")
        for path in sorted((BACKEND / room).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def product_strings() -> Iterator[tuple[str, str]]:
    """("apps/x.py:12", text) for every string constant that is no docstring."""
    for path in product_files():
        tree = ast.parse(path.read_text())
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                yield f"{path.relative_to(BACKEND)}:{node.lineno}", node.value
