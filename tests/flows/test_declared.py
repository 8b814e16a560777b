"""Declared views travel as JSON, and what updates rows from them needs no Feast and no engine."""

from __future__ import annotations

import subprocess
import sys

import pytest

from feature_repo import views
from flows.declared import Declared, declared_from_json, declared_to_json
from rapport.errors import DeclarationError
from rapport.feast.declare import view_of
from rapport.windows import compile_view
from tests.source_tree import ROOT

HEAVY = ("feast", "bytewax", "pandas", "duckdb", "bentoml", "mlflow", "deltalake", "pyspark", "pyflink")


def test_every_view_comes_back_with_the_same_plan() -> None:
    plans = [compile_view(view_of(view)) for view in (views.carts, views.rfm, views.conversation)]
    back = declared_from_json(declared_to_json(Declared("mine", {"some_topic": plans})))
    assert back.project == "mine"
    for before, after in zip(plans, back.plans["some_topic"], strict=True):
        assert after.view == before.view
        assert (after.layout, after.fingerprint) == (before.layout, before.fingerprint)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (b"{", "not a document of declared views"),
        (b'{"project": "p"}', "required field `views`"),
        (b'{"project": "p", "views": {"t": [{"name": "v", "kinds": {}, "aggregations": []}]}}', "no aggregations"),
    ],
)
def test_what_is_not_such_a_document_is_refused(document: bytes, said: str) -> None:
    with pytest.raises(DeclarationError, match=said):
        declared_from_json(document)


@pytest.mark.parametrize("module", ["flows.updater", "flows.spark", "flows.flink"])
def test_updating_rows_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY})))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.split() == []
