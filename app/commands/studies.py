"""`subtext studies`: the Studies page on the command line."""

import argparse
from pathlib import Path
from typing import Any

from app.actions import results
from app.actions import studies as actions
from app.actions.export_ratings import FORMATS, export_ratings
from app.actions.prepare import prepare
from app.actions.studies import Order
from app.commands.output import hand_out
from app.context import Context
from app.errors import Refused
from core.study_report import StudyReport
from db import raters, studies


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    noun = commands.add_parser("studies", help="rating studies: plan, start, care for, report, export")
    verbs = noun.add_subparsers(required=True, metavar="VERB")
    verbs.add_parser("list", help="every study and how far it is").set_defaults(run=_list)
    for name, text, run in (("plan", "look at a study without storing it", _plan), ("start", "start a study", _start)):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("name")
        verb.add_argument(
            "--set", dest="sets", type=int, action="append", required=True, help="number of a set; repeat it"
        )
        verb.add_argument("--rater", dest="raters", action="append", required=True, help="name of a rater; repeat it")
        verb.add_argument("--overlap", type=int, default=2, help="raters for each user profile")
        verb.add_argument("--seed", type=int, default=1)
        verb.add_argument("--retest", type=float, default=0.0, help="share of dialogues shown again, 0 to 0.5")
        verb.add_argument("--checks", type=int, default=0, help="attention checks for each rater")
        verb.add_argument("--withdrawal", choices=("removed", "kept"), default="removed")
        verb.add_argument("--guideline", type=Path, help="file with the guideline")
        verb.add_argument("--consent", type=Path, help="file with the consent text; an empty one asks for none")
        verb.add_argument("--all-turns", action="store_true", help="show the whole dialogue at once")
        verb.add_argument("--no-mask", action="store_true", help="leave names of models and vendors in the texts")
        verb.set_defaults(run=run)
    _caring(verbs)
    _reading(verbs)


def _caring(verbs: Any) -> None:
    for name, state in (("freeze", "frozen"), ("unblind", "unblinded")):
        verb = verbs.add_parser(name, help=f"make it {state}; logged, and not taken back")
        verb.add_argument("study", type=int)
        verb.set_defaults(run=_advance, to=state)
    for name, run, text in (
        ("link", _link, "a new link for a rater"),
        ("withdraw", _withdraw, "a rater leaves, as the consent said"),
        ("hand-over", _hand_over, "give unfinished work to another rater"),
    ):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("study", type=int)
        verb.add_argument("rater")
        if name == "hand-over":
            verb.add_argument("to")
            verb.add_argument("--yes", action="store_true", help="do it; without it, only what would happen is said")
        verb.set_defaults(run=run)
    guideline = verbs.add_parser("guideline", help="give a running study a new guideline")
    guideline.add_argument("study", type=int)
    guideline.add_argument("file", type=Path)
    guideline.set_defaults(run=_guideline)


def _reading(verbs: Any) -> None:
    report = verbs.add_parser("report", help="the figures of a study, or of a set of imported ratings")
    report.add_argument("study", type=int)
    report.add_argument("--imported", action="store_true", help="the number is that of a set of ratings")
    for what in ("rater", "profile", "model"):
        report.add_argument(f"--without-{what}", default="")
    report.add_argument("--dimension", default="", help="of imported ratings; the most frequent one when left out")
    report.set_defaults(run=_report)
    export = verbs.add_parser("export", help="ratings or report as a file")
    export.add_argument("study", type=int)
    export.add_argument("--format", choices=tuple(FORMATS), default="jsonl")
    export.add_argument("--output", type=Path, help="file to write (default: standard output)")
    export.set_defaults(run=_export)


def _order(options: argparse.Namespace) -> Order:
    return Order(
        options.name,
        options.sets,
        options.raters,
        options.overlap,
        options.seed,
        options.retest,
        progressive=not options.all_turns,
        guideline=_text(options.guideline) if options.guideline else actions.GUIDELINE,
        consent=_text(options.consent) if options.consent else actions.CONSENT,
        mask=not options.no_mask,
        checks=options.checks,
        withdrawal=options.withdrawal,
    )


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8").strip()[:20_000]
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{file} cannot be read as text: {error}.") from error


def _plan(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    made = actions.draft(context, _order(options))
    print(f"{made.cost.dialogues} dialogues to rate, {made.cost.turns} answers, about {made.cost.minutes:.0f} minutes.")
    print(f"{made.profiles} user profiles; " + ", ".join(f"{model} ({count})" for model, count in made.models.items()))
    for name, slots in made.plan.lists.items():
        print(f"  {name}: {len(slots)} dialogues")
    for warning in made.plan.warnings:
        print(f"! {warning}")
    for leak in made.leaks[:20]:
        print(f"! a name in the texts ({leak.side}, turn {leak.turn}): {leak.words}")
    return 0


def _start(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    study_id, secrets = actions.start(context, _order(options))
    print(f"Study {study_id} runs. The links are shown only now:")
    for name, secret in secrets.items():
        print(f"{name}\t{_address(context, f'/rate?key={secret}')}")
    return 0


def _address(context: Context, path: str) -> str:
    return context.settings.address(path)


def _list(context: Context, _options: argparse.Namespace) -> int:
    prepare(context)
    for one in studies.overview(context.database):
        print(
            f"{one.id}\t{one.name}\t{one.status}\t{one.submitted} of {one.dialogues} dialogues\t{one.ratings} ratings"
        )
        for rater in raters.raters(context.database, one.id):
            print(f"\t{rater.name}\t{rater.done} of {rater.dialogues}\tlast {rater.last_at or 'never'}")
    return 0


def _advance(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.advance(context, options.study, options.to))
    return 0


def _link(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(_address(context, actions.relink(context, options.study, options.rater)))
    return 0


def _withdraw(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.withdraw(context, options.study, options.rater))
    return 0


def _hand_over(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    text, link = actions.hand_over(context, options.study, (options.rater, options.to), options.yes)
    print(text if options.yes else f"{text}\nNothing was changed yet. With --yes it is done.")
    if link:
        print(_address(context, link))
    return 0


def _guideline(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    print(actions.rewrite(context, options.study, _text(options.file)))
    return 0


def _report(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    without = results.Without(options.without_rater, options.without_profile, options.without_model)
    if options.imported:
        name, found = results.report_of_set(context, options.study, without, options.dimension)
    else:
        study, found = results.report(context, options.study, without)
        name = study.terms.name
    print(f"{name}: {found.report.ratings} ratings")
    if found.imported:
        print("dimension " + found.imported.dimension)
        for other, count in found.imported.dimensions.items():
            if other != found.imported.dimension:
                print(f"! {count} ratings of another dimension: --dimension {other}")
        for reason, count in found.imported.left_out.items():
            print(f"! {count} left out: {reason}")
    _print_report(found.report)
    return 0


def _print_report(found: StudyReport) -> None:
    for row in found.figures.models:
        levels = " ".join(f"{value:.2f}" for value in row.figures.al.tolist())
        average, rate = f"AVG {row.figures.avg:.2f} [{row.avg.low:.2f}, {row.avg.high:.2f}]", f"IR {row.figures.ir:.3f}"
        print(
            f"{row.model}\t{levels}\t{average}\t{rate} [{row.ir.low:.3f}, {row.ir.high:.3f}]\tN-IR {row.figures.n_ir:.3f}"
        )
    for pair in found.figures.differences:
        span = f"[{pair.interval.low:.2f}, {pair.interval.high:.2f}]"
        print(
            f"{pair.first} - {pair.second}\t{pair.avg:.2f} {span}\tp (Holm) {pair.p_holm:.3f}\t{pair.profiles} profiles"
        )
    agreement = found.agreement
    print(f"ordinal alpha {agreement.alpha:.2f} over {agreement.units} turns; ICC(2,1) {agreement.icc_single:.2f}")
    if found.uneven:
        print(
            f"! In {found.uneven} user profiles the models were not all rated by the same people on the same turns (yet)."
        )
    if not found.figures.crossed:
        print("! Not every model was rated on every user profile: differences between such models mislead.")


def _export(context: Context, options: argparse.Namespace) -> int:
    prepare(context)
    hand_out(export_ratings(context, options.study, options.format), options.output)
    return 0
