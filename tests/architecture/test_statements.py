"""No string-built SQL: row security does not stop an injected statement, which could set the site itself.

Ruff's S608 looks at how strings are put together; this looks at what is executed. A statement is a constant of its
module, with parameters. Each other one is on the list with its reason, and the list holds nothing else.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.isolation.side_doors.source import product_files
from tests.servers import BACKEND

EXECUTES = {
    "execute",
    "executemany",
    "raw",
    "extra",
    "RawSQL",
    "copy_expert",
    "callproc",
    "mogrify",
    "execute_values",
}

REASONS = {
    "apps/sites/catalogue.py:catalogue_faults": "two constants of the module, joined",
    "apps/sites/due.py:due_sites": "psycopg2.sql with an identifier that a pattern has admitted",
    "apps/sites/handover.py:hand_over_as": "migrator only; kind and name come quoted from the catalogue",
    "apps/sites/handover.py:_grant_siteless": "migrator only; psycopg2.sql with names of our own list",
    "apps/sites/provision.py:provision_roles": "administrator only; psycopg2.sql made from our own list of roles",
    "apps/sites/crossing.py:raw": "passes on; whoever calls raw() is looked at there",
    "apps/core/attached.py:_run": "migrations only; the rule's own text, made from our models' names",
    "apps/core/measures.py:_to_redis": "a pipeline of Redis, no SQL",
    "apps/operations/ledger/invariant.py:violations_of": "text of our own list of invariants, bounded by a limit",
    "apps/payouts/leases.py:_lease": "private, and called with constants of its module",
}


def _constants(tree: ast.Module) -> set[str]:
    """Names that the module binds once, to a string or to a sum of strings."""
    bound: dict[str, bool] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            if isinstance(target, ast.Name):
                bound[target.id] = target.id not in bound and _is_text(getattr(node, "value", None))
    return {name for name, constant in bound.items() if constant}


def _is_text(node: ast.AST | None) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_text(node.left) and _is_text(node.right)
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _functions(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    yield (
        "<module>",
        ast.Module([n for n in tree.body if not isinstance(n, ast.FunctionDef | ast.ClassDef)], []),
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node.name, node


def built_statements(path: str, source: str) -> set[str]:
    """ "path:function" of each call that executes something else than a constant."""
    tree = ast.parse(source)
    constants = _constants(tree)
    found = set()
    for function, body in _functions(tree):
        for node in ast.walk(body):
            if not isinstance(node, ast.Call) or _called(node.func) not in EXECUTES:
                continue
            statement = node.args[0] if node.args else None
            if not _is_constant(statement, constants):
                found.add(f"{path}:{function}")
    return found


def _called(function: ast.expr) -> str:
    # A bare execute() is the callback that Django hands to an execute_wrapper: its statement came from a cursor.
    if isinstance(function, ast.Name):
        return "" if function.id == "execute" else function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def _is_constant(node: ast.AST | None, constants: set[str]) -> bool:
    if isinstance(node, ast.IfExp):
        return _is_constant(node.body, constants) and _is_constant(node.orelse, constants)
    return _is_text(node) or (isinstance(node, ast.Name) and node.id in constants)


def _all() -> set[str]:
    return {
        each
        for path in product_files()
        for each in built_statements(str(path.relative_to(BACKEND)), Path(path).read_text())
    }


@pytest.mark.isolation("string-built SQL")
def test_every_statement_is_a_constant_or_has_a_reason() -> None:
    assert sorted(_all() - REASONS.keys()) == []


@pytest.mark.isolation("string-built SQL")
def test_no_reason_outlives_its_statement() -> None:
    assert sorted(REASONS.keys() - _all()) == []


@pytest.mark.isolation("string-built SQL", control=True)
@pytest.mark.parametrize(
    "line",
    [
        "cursor.execute(f'SELECT {x}')",
        "cursor.execute('SELECT ' + x)",
        "cursor.execute('SELECT %s' % x)",
        "cursor.execute('SELECT {}'.format(x))",
        "cursor.execute(statement)",
        "cursor.executemany(x, [])",
        "Model.objects.raw(f'SELECT {x}')",
        "Model.objects.extra(where=[x])",
        "Model.objects.annotate(y=RawSQL(x, []))",
    ],
)
def test_a_built_statement_is_found(line: str) -> None:
    assert built_statements("a.py", f"def f(cursor, x, statement):\n    {line}\n") == {"a.py:f"}


@pytest.mark.isolation("string-built SQL")
@pytest.mark.parametrize(
    "line", ["cursor.execute('SELECT 1')", "cursor.execute(_ALL, [x])", "cursor.execute('a' 'b')"]
)
def test_a_constant_is_left_alone(line: str) -> None:
    assert built_statements("a.py", f"_ALL = 'SELECT %s'\ndef f(cursor, x):\n    {line}\n") == set()
