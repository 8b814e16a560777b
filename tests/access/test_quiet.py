"""Failures in logs name places and kinds, and nothing that was being worked on."""

from __future__ import annotations

import ast
import logging

import pytest

from rapport.quiet import describe_failure, log_failure
from tests.source_tree import modules

CANARY = "canary-0c4f customer 17850"


def _fail() -> None:
    try:
        {}[CANARY]
    except KeyError as error:
        raise ValueError(f"what was sent: {CANARY}") from error


def test_no_message_and_no_value(caplog: pytest.LogCaptureFixture) -> None:
    try:
        _fail()
    except ValueError as error:
        log_failure(logging.getLogger("here"), error, "%s failed", "this")
    assert CANARY not in caplog.text
    for said in ("this failed", "builtins.KeyError", "builtins.ValueError", "test_quiet.py", "in _fail", "then:"):
        assert said in caplog.text


def test_groups_and_circles() -> None:
    inner = ValueError(CANARY)
    inner.__cause__ = inner
    told = describe_failure(ExceptionGroup(CANARY, [inner, TypeError(CANARY)]))
    assert told.splitlines()[-3:] == ["builtins.ExceptionGroup", "builtins.ValueError", "builtins.TypeError"]


def test_nobody_logs_an_unexpected_error_whole() -> None:
    bad = [
        f"{module}:{node.lineno}"
        for module, path in modules()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (node.func.attr == "exception" or any(word.arg == "exc_info" for word in node.keywords))
        and not module.startswith(("tests", "benchmarks"))
    ]
    assert not bad, f"log_failure tells where and of what kind, without what was being worked on: {bad}"
