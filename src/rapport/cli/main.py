"""The command `rapport`: its commands, and how errors leave it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from rapport.cli import (
    archiving,
    auditing,
    bus,
    chatbots,
    consistency,
    customers,
    data,
    decisions,
    demo,
    drift,
    erasing,
    keys,
    letters,
    metrics,
    models,
    policies,
    processes,
    rebuilding,
    schemas,
    simulation,
    text,
    triggers,
    views,
    webhooks,
)
from rapport.errors import RapportError

__all__ = ["EXIT_CODES", "app", "run"]

EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130
EXIT_CODES = {
    0: "done",
    1: "it failed, and nothing below says how",
    2: "the command line, a setting, a mapping file or a feature declaration is wrong",
    3: "bus, online store, archive or Schema Registry does not answer, or does not accept",
    4: "a model is refused, or there is none",
    5: "a process of `rapport up` is not running, does not work or cannot be started",
    consistency.EXIT_UNEXPLAINED: "`rapport consistency` found a difference that nothing explains",
    archiving.EXIT_UNSOUND: "`rapport archive verify` found what should not be",
    auditing.EXIT_ALARM: "`rapport audit` has alarms",
    decisions.EXIT_NOT_REPLAYED: "`rapport replay-decision` came to something else, or what it needs is gone",
    EXIT_DEFECT: "a defect of Rapport: please report it with what `--debug` shows",
    EXIT_INTERRUPTED: "Ctrl-C",
}
"""What each exit code means; errors.py says which error has which."""

app = typer.Typer(
    name="rapport",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Rapport: customer events become features, features become decisions for chatbots.

    Example: rapport up && rapport simulate --minutes 5 && rapport decide c-000001
    """


for _command in (
    processes.up,
    processes.down,
    processes.status,
    metrics.metrics,
    processes.partitions,
    bus.bus,
    views.views,
    data.replay,
    rebuilding.rebuild,
    erasing.erase,
    simulation.simulate,
    schemas.schemas,
    triggers.triggers,
    customers.features,
    customers.decide,
    decisions.explain,
    decisions.replay_decision,
    models.train,
    models.promote,
    models.rollback,
    models.models,
    models.export_models,
    drift.drift,
    drift.watch,
    consistency.consistency,
    auditing.audit,
    demo.demo,
):
    app.command()(_command)
for _group in (
    letters.deadletters,
    webhooks.webhooks,
    chatbots.chatbots,
    archiving.archive,
    policies.policy,
    text.text,
    keys.keys,
):
    app.add_typer(_group)


def run(arguments: Sequence[str] | None = None) -> int:
    """The entry point: run one command, and turn what it raises into one line and an exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    try:
        app([argument for argument in given if argument != "--debug"], standalone_mode=True)
    except RapportError as error:
        return _fail(str(error), error.exit_code, debug)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # the entry point: whatever it is, it leaves as one line
        text = f"{type(error).__name__}: {error}".strip()
        return _fail(f"unexpected {text} (add --debug for the traceback)", EXIT_DEFECT, debug)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    return 0


def _fail(text: str, code: int, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    sys.stderr.write(f"rapport: {text}\n")
    return code
