"""Which part may import which: rooms import rapport, never each other, and rapport imports no room."""

from __future__ import annotations

import sys

import pytest

from tests.source_tree import ROOMS, ROOT, Import, all_imports, is_within, project_files


def _room(module: str) -> str:
    return next((room for room in ROOMS if is_within(module, room)), "")


def _refuse(bad: list[Import], rule: str) -> None:
    assert not bad, rule + ":\n" + "\n".join(sorted({str(found) for found in bad}))


def test_rapport_imports_no_room_except_where_the_command_line_starts_them() -> None:
    bad = [
        found
        for found in all_imports()
        if is_within(found.importer, "rapport") and not is_within(found.importer, "rapport.cli") and _room(found.module)
    ]
    _refuse(bad, "rapport imports no room; what two need moves to src/rapport")


def test_rooms_never_import_each_other() -> None:
    bad = [
        found
        for found in all_imports()
        if _room(found.importer) and _room(found.module) and _room(found.importer) != _room(found.module)
    ]
    _refuse(bad, "rooms never import each other; what two need moves to src/rapport")


@pytest.mark.parametrize("top", ["rapport.cli", "tests", "benchmarks"])
def test_nothing_imports_what_is_at_the_top(top: str) -> None:
    bad = [found for found in all_imports() if is_within(found.module, top) and not is_within(found.importer, top)]
    _refuse(bad, f"nothing imports {top}")


def test_windows_needs_only_numpy_and_numba() -> None:
    # llvmlite is Numba's own code generator: it is there exactly when Numba is
    allowed = {"numpy", "numba", "llvmlite", *sys.stdlib_module_names}
    bad = [
        found
        for found in all_imports()
        if is_within(found.importer, "rapport.windows")
        and found.module.partition(".")[0] not in allowed
        and not is_within(found.module, "rapport.windows")
        and not is_within(found.module, "rapport.errors")
    ]
    _refuse(bad, "rapport.windows imports nothing but NumPy, Numba and the standard library")


def test_declarations_are_declarations() -> None:
    allowed = {"feast", "datetime", "__future__", "feature_repo"}
    bad = [
        found
        for found in all_imports()
        if is_within(found.importer, "feature_repo")
        and found.module.partition(".")[0] not in allowed
        and not is_within(found.module, "rapport.feast")
    ]
    _refuse(bad, "feature_repo declares, with Feast's objects and rapport.feast's helpers")


def test_feast_apply_imports_the_declarations_and_nothing_else() -> None:
    ignored = {line.rstrip("/") for line in (ROOT / ".feastignore").read_text().split()}
    folders = {path.relative_to(ROOT).parts[0] for path in project_files() if path.suffix == ".py"}
    assert folders - ignored == {"feature_repo"}, "a folder of other code belongs in .feastignore"


def test_nothing_unpickles() -> None:
    bad = [
        found
        for found in all_imports()
        if found.module.partition(".")[0] in {"pickle", "cloudpickle", "dill", "joblib"}
    ]
    _refuse(bad, "pickles execute code when read; use a format that does not")
