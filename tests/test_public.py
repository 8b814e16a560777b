"""The public names of each module, pinned: a change of them is a decision, seen in a diff.

`python -m tests.test_public` writes the list anew.
"""

from __future__ import annotations

import ast
from pathlib import Path

from tests.source_tree import modules

PINNED = Path(__file__).with_name("public_names.txt")


def _names(path: Path) -> list[str] | None:
    for node in ast.parse(path.read_text()).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(target, ast.Name) and target.id == "__all__":
            return sorted(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    return None


def _defines_anything(path: Path) -> bool:
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_")
        for node in ast.parse(path.read_text()).body
    )


def present() -> str:
    packages = [
        (module, _names(path)) for module, path in modules() if module.startswith("rapport") and _is_surface(path)
    ]
    return "".join(f"{module}: {', '.join(names)}\n" for module, names in packages if names)


def _is_surface(path: Path) -> bool:
    """What users import: the packages, and the modules that lie directly in rapport."""
    return path.name == "__init__.py" or path.parent.name == "rapport"


def test_public_names_are_the_pinned_ones() -> None:
    assert present() == PINNED.read_text(), f"if this is meant, write {PINNED.name} anew: python -m tests.test_public"


def test_each_module_of_rapport_names_what_is_public() -> None:
    bad = [
        module
        for module, path in modules()
        if module.startswith("rapport") and _names(path) is None and _defines_anything(path)
        if not module.endswith(("__main__", "rapport.errors"))
    ]
    assert not bad, f"no __all__ in {bad}"


if __name__ == "__main__":
    PINNED.write_text(present())
