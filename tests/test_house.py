"""Imports between modules: scripts import warehouse, warehouse imports standin, and never back."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from support import ROOT

FILES = [*ROOT.glob("*.py"), *(ROOT / "warehouse").rglob("*.py")]
LEAVES = {"warehouse", "warehouse.objects", "warehouse.jsonpaths"}  # standin imports these as well


def name_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(file): file for file in FILES}


def imports_of(module: str) -> set[str]:
    """Return our modules that a module imports."""
    file, found = MODULES[module], set()
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                found.add(inner if inner in MODULES else source)
    return found & set(MODULES) - {module}


def room_of(module: str) -> str:
    """Return the package of a module below warehouse, or the module itself if it is in none."""
    return ".".join(module.split(".")[:2])


def test_modules_and_packages_import_each_other_in_no_circle():
    modules = {module: imports_of(module) for module in MODULES}
    rooms = {}
    for module, needed in modules.items():
        room = room_of(module)
        rooms.setdefault(room, set()).update({room_of(other) for other in needed} - {room})
    for graph in (modules, rooms):
        TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_the_stand_in_imports_only_itself_and_leaves():
    standin = [module for module in MODULES if module.startswith("warehouse.standin")]
    assert len(standin) > 20
    needed = set().union(*map(imports_of, standin))
    assert {other for other in needed if not other.startswith("warehouse.standin")} <= LEAVES


def test_importing_the_statements_does_nothing():
    assert imports_of("sql_queries") == set()
    tree = ast.parse((ROOT / "sql_queries.py").read_text())
    assert {type(node) for node in tree.body} <= {ast.Expr, ast.Assign}  # a docstring is an Expr
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_no_two_modules_have_the_same_name():
    names = [file.stem for file in FILES if not file.stem.startswith("__")]
    assert [name for name in names if names.count(name) > 1] == []
