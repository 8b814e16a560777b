"""The JSON Schemas in docs/schemas are those of the code, and hold of the files that come with Rapport."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from rapport.policy import DEFAULT_FOLDER
from rapport.policy.schema import SCHEMAS, schema_json

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_written_and_holds_of_what_comes_with_it(name: str) -> None:
    text = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert text == schema_json(name), "write it anew: rapport policy schema --write docs/schemas"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))
    file = yaml.safe_load((DEFAULT_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(file, json.loads(text), jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "when", [{"segmnt": "Lost"}, {"repeats": "many"}, {"segment": []}, {"repeats": {"atleast": 1}}, {}]
)
def test_an_editor_sees_what_is_wrong(when: object) -> None:
    file = yaml.safe_load((DEFAULT_FOLDER / "policy.yaml").read_text(encoding="utf-8"))
    file["rules"][0]["when"] = when
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(file, json.loads(schema_json("policy")), jsonschema.Draft202012Validator)
