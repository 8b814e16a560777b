"""The Evidently workspace: a project per model, its dashboard, and the history of its reports."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring.align import SCORE

if TYPE_CHECKING:
    from evidently import Run
    from evidently.sdk.models import DashboardPanelPlot
    from evidently.ui.workspace import Project, Workspace

__all__ = ["KEPT_RUNS", "SCORE_VALUE", "add_run", "open_workspace"]

KEPT_RUNS = 200
"""Newest reports that a project keeps; each is about a megabyte, and Evidently's pages hold all of them in memory."""
SCORE_VALUE = "score value"
"""The column of a report that holds the score as a number; SCORE holds its bin."""


def open_workspace(folder: Path) -> Workspace:
    """The workspace in a folder, which is made when it is not there."""
    from evidently.ui.workspace import Workspace

    folder.mkdir(parents=True, exist_ok=True)
    return Workspace.create(str(folder))


def add_run(folder: Path, model: str, run: Run) -> None:
    """Add a report to its model's project; the first one makes the project. The oldest beyond KEPT_RUNS go."""
    workspace = open_workspace(folder)
    project = _project(workspace, folder, model)
    workspace.add_run(project.id, run)
    # Identifiers begin with their time, so their order is the reports'.
    for old in sorted(workspace.list_runs(project.id), key=str)[:-KEPT_RUNS]:
        workspace.delete_run(project.id, old)


def _project(workspace: Workspace, folder: Path, model: str) -> Project:
    found = workspace.search_project(model)
    return found[0] if found else _create_project(workspace, folder, model)


def _create_project(workspace: Workspace, folder: Path, model: str) -> Project:
    """Make the project beside the workspace and move it in whole: running pages read its files as they appear."""
    from evidently.ui.workspace import Workspace

    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".project-") as staging:
        project = Workspace.create(staging).create_project(
            model, description=f"Decisions of the champion of {model}, against what it was trained on"
        )
        for panel in _panels():
            project.dashboard.add_panel(panel)
        name = str(project.id)
        (Path(staging) / name / "snapshots").mkdir(exist_ok=True)
        (Path(staging) / name).rename(folder / name)
    return workspace.get_project(name)


def _panels() -> list[DashboardPanelPlot]:
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import counter_panel, line_plot_panel

    share = PanelMetric(legend="share", metric="DriftedColumnsCount", metric_labels={"value_type": "share"})
    count = PanelMetric(legend="features", metric="DriftedColumnsCount", metric_labels={"value_type": "count"})
    rows = PanelMetric(legend="decisions", metric="RowCount")
    psi = PanelMetric(legend="PSI", metric="ValueDrift", metric_labels={"column": SCORE})
    mean = PanelMetric(legend="mean", metric="MeanValue", metric_labels={"column": SCORE_VALUE})
    every = PanelMetric(legend="{{column}}", metric="ValueDrift")
    return [
        counter_panel("Drifted features, now", [count], "in the newest report", size="half"),
        counter_panel("Decisions compared, now", [rows], "in the newest report", size="half"),
        line_plot_panel("Share of drifted features", [share], "0 to 1; a retraining starts at the share that is set"),
        line_plot_panel("Score drift", [psi], "population stability index of the model's score", size="half"),
        line_plot_panel("Mean score", [mean], "of the decisions compared", size="half"),
        line_plot_panel("Decisions compared", [rows], "rows of each report"),
        line_plot_panel("Drift of every feature", [every], "population stability index; drifted from 0.1"),
    ]
