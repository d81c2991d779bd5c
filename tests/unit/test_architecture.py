"""The layout holds: imports point one way, files and functions stay small, only the engine writes a status."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("releases", "cloudwiki", "demo")
# Each layer may import itself and those to its right (docs/architecture.md).
LAYERS = [
    {"views", "urls", "api", "tasks", "management", "admin"},
    {"permissions"},
    {"system"},
    {"engine"},
    {"gate"},
    {"actions", "proofs", "risks", "enrolment"},
    {"endpoints"},
    {"notices", "public"},
    {"remote", "logs", "probes", "gpu", "insights", "runbooks", "markdown", "secrets", "stores", "wiki"},
    {"audit"},
    {"models"},
    {"lifecycle"},
]
WRITERS = {"update", "create", "bulk_create", "update_or_create"}
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def family(path: Path) -> str:
    parts = path.relative_to(ROOT / "releases").parts
    return parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.lineno, node.module
            if node.module == "releases":
                yield from ((node.lineno, f"releases.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)


def test_imports_point_one_way() -> None:
    wrong = []
    for path in sources():
        if "releases" not in path.parts or path.parent == ROOT / "releases" / "templatetags":
            continue
        own = LEVEL.get(family(path))
        for line, module in imported(ast.parse(path.read_text())):
            parts = module.split(".")
            other = LEVEL.get(parts[1]) if parts[0] == "releases" and len(parts) > 1 else None
            if own is not None and other is not None and other < own:
                wrong.append(f"{path.relative_to(ROOT)}:{line} imports {module}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["remote", "gpu", "runbooks", "lifecycle"])
def test_it_stays_free_of_models(name: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in sources()
        if "releases" in path.parts and family(path) == name
        for line, module in imported(ast.parse(path.read_text()))
        if module.startswith(("releases.models", "django.db"))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_gpu_layer_knows_no_django_and_nothing_else_of_ours() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for path in (ROOT / "releases" / "gpu").rglob("*.py")
        for line, module in imported(ast.parse(path.read_text()))
        if module.split(".")[0] in ("django", "releases", "cloudwiki")
    ]
    assert not wrong, "\n".join(wrong)


def test_files_stay_under_300_lines() -> None:
    long = [f"{path.relative_to(ROOT)}: {n}" for path in sources() if (n := len(path.read_text().splitlines())) > 300]
    assert not long, "\n".join(long)


def test_model_files_stay_under_150_lines() -> None:
    long = [
        f"{path.name}: {n}"
        for path in (ROOT / "releases" / "models").glob("*.py")
        if (n := len(path.read_text().splitlines())) > 150
    ]
    assert not long, "\n".join(long)


def test_functions_stay_under_40_lines() -> None:
    long = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > 40:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {length}")
    assert not long, "\n".join(long)


def status_writes(tree: ast.AST) -> Iterator[int]:
    """Lines that set `.status = ...` or pass `status=` to update() or create()."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (t.lineno for t in targets if isinstance(t, ast.Attribute) and t.attr == "status")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WRITERS:
            yield from (node.lineno for keyword in node.keywords if keyword.arg == "status")


def test_only_the_engine_writes_a_status() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        if "releases" in path.parts and family(path) != "engine"
        for line in status_writes(ast.parse(path.read_text()))
    ]
    assert not wrong, "\n".join(wrong)


def state_writes(tree: ast.AST) -> Iterator[int]:
    """Lines that set `.state = ...` or pass `state=` to update()."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from (t.lineno for t in node.targets if isinstance(t, ast.Attribute) and t.attr == "state")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "update":
            yield from (node.lineno for keyword in node.keywords if keyword.arg == "state")


def test_one_file_writes_the_state_of_an_endpoint() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        if "releases" in path.parts and path != ROOT / "releases" / "endpoints" / "states.py"
        if "GpuEndpoint" in path.read_text()
        for line in state_writes(ast.parse(path.read_text()))
    ]
    assert not wrong, "\n".join(wrong)


def test_one_file_writes_the_state_of_an_announcement() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        if "releases" in path.parts and path != ROOT / "releases" / "notices" / "states.py"
        if path != ROOT / "releases" / "views" / "announcements.py"  # what it shows, in memory
        if "Announcement" in path.read_text()
        for line in state_writes(ast.parse(path.read_text()))
    ]
    assert not wrong, "\n".join(wrong)


def late_writes(tree: ast.Module) -> Iterator[int]:
    """Lines inside a transaction that may lock a row after the head of the audit log was locked."""
    recorders = {"audit.record"}
    recorders |= {
        node.name for node in tree.body if isinstance(node, ast.FunctionDef) and calls(node) & {"audit.record"}
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.With):
            continue
        recorded = False
        for statement in node.body:
            records = bool(calls(statement) & recorders)
            harmless = isinstance(statement, ast.Return) or all(
                name.startswith("wake.") or name == "fault_point" for name in calls(statement)
            )
            if recorded and not records and not harmless:
                yield statement.lineno
            recorded = recorded or records


def calls(tree: ast.AST) -> set[str]:
    """Names of what is called in it."""
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_the_audit_event_is_the_last_write_of_a_transaction() -> None:
    """Everybody locks rows in one order, the head of the audit log last; any other order can deadlock two people."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        if "releases" in path.parts and family(path) in {"engine", "enrolment", "actions", "endpoints", "notices"}
        for line in late_writes(ast.parse(path.read_text()))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_check_for_late_writes_finds_one() -> None:
    tree = ast.parse("with transaction.atomic():\n    audit.record(who)\n    touch.bump(1)\n    wake.driver(1)")
    assert list(late_writes(tree)) == [3]


def test_the_check_for_writers_finds_one() -> None:
    tree = ast.parse("row.status = 'failed'\nRows.objects.filter(pk=1).update(status='failed')")
    assert list(status_writes(tree)) == [1, 2]
