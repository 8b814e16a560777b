"""`feast apply`, in a process of its own: `python -m rapport.supervisor.feast_apply ROOT`.

Feast's objects live in modules that cannot be imported anew, and the supervisor outlives many edits of them.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from rapport.errors import RapportError
from rapport.settings import disable_telemetry
from rapport.supervisor.declarations import REFUSED, REPOSITORY

__all__ = ["main"]


def main(root: Path) -> int:
    """Apply what `root` declares; a refusal is the last line of the output."""
    disable_telemetry()
    # Before Feast itself, which it imports faster.
    import_module("rapport.feast")
    from feast import FeatureStore, repo_operations
    from feast.repo_config import load_repo_config

    from rapport.feast.catalog import plans_by_topic
    from rapport.triggers.features import check_features
    from rapport.triggers.load import load_triggers

    sys.path.insert(0, str(root))
    # Feast itself walks through everything below the root, environments and caches too: 20 seconds of a processor.
    repo_operations.get_repo_files = _declarations
    try:
        # What can be refused without the registry is refused before it is changed.
        triggers = load_triggers(root).triggers
        config = load_repo_config(root, root / "feature_store.yaml")
        repo_operations.apply_total(config, root, skip_source_validation=True)
        if triggers:
            check_features(triggers, plans_by_topic(FeatureStore(repo_path=str(root))))
    except RapportError as error:
        sys.stderr.write(f"{REFUSED}{error}\n")
        return error.exit_code
    return 0


def _declarations(root: Path) -> list[Path]:
    """What `feast apply` imports of a repository whose .feastignore is this one's."""
    return sorted(path.resolve() for path in (root / REPOSITORY).rglob("*.py") if path.name != "__init__.py")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
