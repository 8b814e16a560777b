"""policy: the declared rules, templates and intents: begun, checked, shown, and tried on logged decisions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rapport.cli.common import Json, settings_now
from rapport.cli.output import console, emit, progress, say, table
from rapport.errors import PolicyError

if TYPE_CHECKING:
    from rapport.decisions.dry_run import DryRunReport
    from rapport.policy import Bundle

__all__ = ["policy"]

policy = typer.Typer(name="policy", no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[
    Path | None,
    typer.Argument(help="Folder of policy.yaml, templates.yaml and intents.yaml; default: the installation's."),
]


@policy.callback()
def _group() -> None:
    """Rules from facts to tone, template, offer and next action: begin, check and show them, try them on the log.

    Example: rapport policy check
    """


@policy.command()
def init() -> None:
    """Copy the policy that comes with Rapport into the installation, to be changed there.

    A running service takes it over, and every change of it, without a restart.

    Example: rapport policy init
    """
    import shutil

    from rapport.policy import DEFAULT_FOLDER, FILES

    settings = settings_now()
    folder = settings.root / (settings.policy_dir or "policy")
    present = [name for name in FILES if (folder / f"{name}.yaml").exists()]
    if present:
        raise PolicyError(f"{folder} has {present[0]}.yaml already; nothing was copied")
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(DEFAULT_FOLDER / f"{name}.yaml", folder / f"{name}.yaml")
    say(f"{folder}: {', '.join(f'{name}.yaml' for name in FILES)}")


@policy.command()
def check(folder: Folder = None, as_json: Json = False) -> None:
    """Check a policy's files; an error names the line, the field, the value and what is allowed.

    Example: rapport policy check policy
    """
    path, bundle = _load(folder)
    counts = {
        "rules": len(bundle.policy.rules),
        "templates": len(bundle.templates.by_id),
        "intents": len(bundle.intents.names),
    }
    if as_json:
        emit({"folder": str(path), "versions": dict(bundle.versions), **counts})
    else:
        said = ", ".join(f"{count} {name}" for name, count in counts.items())
        console().print(f"{path}: {said}; policy {bundle.versions['policy']}", markup=False, soft_wrap=True)


@policy.command()
def show(
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Of a kept file, as a decision has it.")] = "",
    folder: Annotated[Path | None, typer.Option(help="Of this folder; default: the installation's.")] = None,
    as_json: Json = False,
) -> None:
    """Show the rules in their order, or the text of a file of policy that has decided before.

    Example: rapport policy show 1-c49b9873bb61
    """
    if version:
        from rapport.policy import KeptPolicies

        kept = KeptPolicies(settings_now())
        data = kept.find(version)
        if data is None:
            raise PolicyError(f"version {version[:80]!r} is not kept in {kept.folder}")
        emit({"version": version, "text": data.decode()}) if as_json else typer.echo(data.decode(), nl=False)
        return
    path, bundle = _load(folder)
    rows = _rules(bundle)
    if as_json:
        emit({"folder": str(path), "versions": dict(bundle.versions), "rules": rows})
        return
    columns = tuple(rows[0])
    table(columns, [tuple(row.values()) for row in rows], title=f"{path}, {bundle.versions['policy']}")


@policy.command()
def schema(
    write: Annotated[Path | None, typer.Option(help="Write a file each into this folder.", show_default=False)] = None,
) -> None:
    """Print the JSON Schemas of the three files, for editors that check YAML while it is written.

    Example: rapport policy schema --write docs/schemas
    """
    from rapport.policy.schema import SCHEMAS, schema_json

    for name in SCHEMAS:
        if write is None:
            typer.echo(schema_json(name), nl=False)
        else:
            (write / f"{name}.schema.json").write_text(schema_json(name), encoding="utf-8")


@policy.command("dry-run")
def dry_run(
    folder: Folder = None,
    since: Annotated[str, typer.Option(help="Only decisions from this time on (RFC 3339).", show_default=False)] = "",
    until: Annotated[str, typer.Option(help="Only decisions before this time.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(help="Only so many decisions, drawn evenly; 0: all.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Answer logged decisions with a policy, and show what would change; nothing is changed by it.

    Scores, segments and signals are those that were logged; rules, templates, offers and actions are the folder's.

    Example: rapport policy dry-run drafts/policy --since 2026-01-01 --limit 100000
    """
    from rapport.archive import Archive
    from rapport.cli.worldtime import parse_time
    from rapport.clock import to_us
    from rapport.consistency.log import Range, read_chunks
    from rapport.decisions.dry_run import DryRun

    path, bundle = _load(folder)
    wanted = Range(
        to_us(parse_time(since)) if since else None, to_us(parse_time(until)) if until else None, limit or None
    )
    run, done = DryRun(bundle), 0
    with progress("answering again") as tell:
        for records, total in read_chunks(Archive(settings_now().data_dir / "archive"), wanted, 5_000):
            run.add(records)
            done += len(records)
            tell(done, total)
    report = run.report()
    if as_json:
        import msgspec

        emit(msgspec.to_builtins(report))
    else:
        _print(path, report)


def _print(path: Path, report: DryRunReport) -> None:
    shown = console()
    share = f" ({report.changed / report.decisions:.1%})" if report.decisions else ""
    shown.print(
        f"{path}, {report.policy_version}: {report.changed:,} of {report.decisions:,} decisions would have another "
        f"answer{share}; {report.other_rule:,} would be decided by another rule",
        markup=False,
        soft_wrap=True,
    )
    for why, count in report.apart.items():
        shown.print(f"left out: {count:,} {why}", markup=False)
    rows = [
        (change.field, change.before, change.after, change.decisions, " ".join(one[:12] for one in change.examples))
        for change in report.changes
    ]
    if rows:
        table(("what", "before", "after", "decisions", "for example"), rows)


def _load(folder: Path | None) -> tuple[Path, Bundle]:
    from rapport.policy import load_bundle, policy_folder

    path = folder or policy_folder(settings_now())
    return path, load_bundle(path)


def _rules(bundle: Bundle) -> list[dict[str, Any]]:
    named = [(rule.name, rule.tests, rule.outcome) for rule in bundle.policy.rules]
    return [
        {
            "rule": name,
            "when": "; ".join(f"{test.fact}: {test.words}" for test in tests) or "nothing before holds",
            "tone": outcome.tone,
            "template": outcome.template,
            "offer": outcome.offer.id if outcome.offer else None,
            "next action": outcome.next_action.id,
        }
        for name, tests, outcome in [*named, ("default", (), bundle.policy.default)]
    ]
