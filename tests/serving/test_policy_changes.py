"""The policy changes while the service runs: all at once, under load, and never to something broken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from loading import Load

from rapport.policy import DEFAULT_FOLDER, NEUTRAL, FollowedPolicy, KeptPolicies, load_bundle
from rapport.settings import load_settings
from rapport.testing.models import NoiseModels
from rapport.testing.project import Project
from rapport.testing.served import Served

ORIGINAL = load_bundle(DEFAULT_FOLDER)


@pytest.fixture
def folder(project: Project, served: Served) -> Iterator[Path]:
    """The installation's own policy, a copy of the one that comes with Rapport; put back afterwards."""
    folder = project.root / "policy"
    shutil.copytree(DEFAULT_FOLDER, folder, dirs_exist_ok=True)
    yield folder
    shutil.copytree(DEFAULT_FOLDER, folder, dirs_exist_ok=True)
    served.wait_health(
        lambda health: health["policy"] and health["policy_versions"] == ORIGINAL.versions, "it is not put back"
    )


def change(folder: Path, version: str, tone: str = "formal") -> None:
    """The default's tone and the declared version changed, the file replaced as editors do it."""
    text = (DEFAULT_FOLDER / "policy.yaml").read_text(encoding="utf-8")
    text = text.replace('version: "1"', f'version: "{version}"').replace(
        "default: {tone: friendly", f"default: {{tone: {tone}"
    )
    draft = folder / ".policy.yaml.new"
    draft.write_text(text, encoding="utf-8")
    draft.replace(folder / "policy.yaml")


def test_a_change_takes_over_under_load_without_a_failure(served: Served, models: NoiseModels, folder: Path) -> None:
    with Load(served) as load:
        for number in range(2, 6):
            load.wait_answers(20)
            change(folder, f"v{number}")
            served.wait_health(
                lambda health, wanted=f"v{number}-": health["policy_versions"]["policy"].startswith(wanted),
                "the new policy does not decide",
            )
        load.wait_answers(20)
    assert load.failed() == []
    versions = [decision["policy_version"].partition("-")[0] for *_, decision in load.answers]
    assert {"v2", "v3", "v4", "v5"} <= set(versions)
    assert all(decision["degraded"] == [] for *_, decision in load.answers)


def test_a_broken_file_leaves_the_old_one_working(served: Served, models: NoiseModels, folder: Path) -> None:
    change(folder, "good")
    served.wait_health(lambda health: health["policy_versions"]["policy"].startswith("good-"), "it does not decide")
    with Load(served) as load:
        load.wait_answers(10)
        (folder / "policy.yaml").write_text("rules: [{name: x, when: {segmnt: Lost}}]", encoding="utf-8")
        served.wait_health(lambda health: not health["policy"], "nobody noticed")
        load.wait_answers(20)
        (problem,) = [text for text in served.health()["problems"] if text.startswith("policy: ")]
        assert "policy.yaml, line 1" in problem and "good-" in problem
        assert served.metric("rapport_policy_refused") == 1
        assert served.health()["status"] == "degraded"
        (folder / "templates.yaml").unlink()
        load.wait_answers(20)
        change(folder, "better")
        shutil.copy(DEFAULT_FOLDER / "templates.yaml", folder)
        served.wait_health(lambda health: health["policy"], "the mended file does not take over")
        load.wait_answers(10)
    assert load.failed() == []
    decided = [decision["policy_version"].partition("-")[0] for *_, decision in load.answers]
    assert set(decided) == {"good", "better"} and decided[-1] == "better"
    assert all(decision["degraded"] == [] for *_, decision in load.answers)
    assert served.metric("rapport_policy_refused") == 0
    assert "refused" in served.log.read_text()


def test_what_worked_last_decides_after_a_restart(tmp_path: Path) -> None:
    settings = load_settings({}, root=tmp_path)
    shutil.copytree(DEFAULT_FOLDER, tmp_path / "policy")
    change(tmp_path / "policy", "mine")
    first = FollowedPolicy(settings)
    assert first.problem is None and first.bundle.versions["policy"].startswith("mine-")
    (tmp_path / "policy" / "policy.yaml").write_text("rules", encoding="utf-8")
    second = FollowedPolicy(settings)
    assert second.problem and second.bundle.versions == first.bundle.versions
    shutil.rmtree(tmp_path / "policy")
    first.refresh()
    assert first.problem and first.bundle.versions == second.bundle.versions
    kept = KeptPolicies(settings)
    assert kept.find(first.bundle.versions["policy"]) == first.bundle.texts["policy"]
    assert kept.find("mine-000000000000") is None and kept.find("../x") is None


def test_without_any_policy_that_works_the_answer_is_neutral(tmp_path: Path) -> None:
    (tmp_path / "policy").mkdir()
    followed = FollowedPolicy(load_settings({}, root=tmp_path))
    assert followed.bundle is NEUTRAL and "policy.yaml: cannot be read" in (followed.problem or "")
    assert followed.bundle.answer(situation_es(), {}).template.text == "¿En qué puedo ayudarle?"


def situation_es() -> object:
    from rapport.decisions import Situation

    return Situation(repeats=9, locale="es")
