"""The sizes of modules, classes and functions, and the doors of packages; see CONTRIBUTING.md.

import-linter checks which package may import which (pyproject.toml).
"""

import ast
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

import behavstats

ROOT = Path(__file__).parents[1]
CODE = sorted(Path(behavstats.__file__).parent.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
DOORS = [path for path in CODE if path.name == "__init__.py"]
TREES = {path: ast.parse(path.read_text()) for path in CODE + TESTS}

MODULE_LINES, MEDIAN_MODULE_LINES = 400, 120
CLASS_LINES, CLASS_METHODS = 200, 25
FUNCTION_LINES = 40
HEAVY = ("numpy", "sqlmodel", "sqlalchemy", "granian", "bottle", "rich")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def line_count(path: Path) -> int:
    return len(path.read_text().splitlines())


def nodes(kinds, trees=TREES):
    """Return all nodes of these kinds, each with a text that says where it is."""
    return [
        (node, f"{shown(path)}:{node.lineno}")
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, kinds)
    ]


def length(node) -> int:
    """Return how many lines a definition has, without its decorators."""
    return node.end_lineno - node.lineno + 1


def test_no_module_is_long():
    """A module over 400 lines has two reasons to change."""
    long = [shown(path) for path in TREES if line_count(path) > MODULE_LINES]
    assert not long, long


def test_most_modules_are_short():
    """Half of the modules have less than 120 lines, even without the `__init__` files."""
    lengths = [line_count(path) for path in CODE if path not in DOORS]
    assert median(lengths) < MEDIAN_MODULE_LINES


def test_no_class_is_large():
    """A class has at most 200 lines and 25 methods."""
    large = [
        (node.name, where)
        for node, where in nodes(ast.ClassDef)
        if length(node) > CLASS_LINES
        or sum(isinstance(member, Function) for member in node.body) > CLASS_METHODS
    ]
    assert not large, large


def test_no_function_is_long():
    """A function has at most 40 lines, with its signature and docstring."""
    long = [(node.name, where) for node, where in nodes(Function) if length(node) > FUNCTION_LINES]
    assert not long, long


def test_no_module_imports_a_private_name_of_another():
    """Ruff finds private attributes (SLF001), but not private names of the same distribution."""
    private = [
        (alias.name, where)
        for node, where in nodes(ast.ImportFrom, {path: TREES[path] for path in CODE})
        if (node.module or "").startswith("behavstats")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.endswith("__")
    ]
    assert not private, private


@pytest.mark.parametrize("door", DOORS, ids=shown)
def test_a_package_has_a_narrow_and_light_door(door):
    """`__init__` says what the package is for and what it offers; it imports nothing heavy."""
    name = ".".join(door.parent.relative_to(ROOT).parts)
    code = (
        f"import sys, {name} as door\n"
        "assert door.__doc__, 'no docstring'\n"
        "assert hasattr(door, '__all__'), 'no __all__'\n"
        f"heavy = [name for name in {HEAVY} if name in sys.modules]\n"
        "assert not heavy, f'imports {heavy}'\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
