"""What a critic would be trained on, before it is: the set's examples, their tokens, their split, and what the lint says.

Tokenising needs torch's relatives, so it happens in whatever process calls `make`: the command line, or for a web server one of
its own (`Previews`). What it finds is kept in the data folder under a digest of everything it depends on; the split and the limit
in tokens are derived from that when somebody looks, so moving them costs nothing.
"""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool

from app.actions.people_labels import apply, labels_now
from app.actions.train_critic import base_of
from app.context import Context
from app.engines.roles import STARTER, checkpoint_digest
from app.errors import Refused
from app.executor import TOP
from core.bands import BANDS, Histogram
from core.critic_corrections import Counts
from core.critic_data import Example, examples, group_of, lint
from core.critic_preview import Entry, Group, Origin, chosen, groups, lengths, sides
from core.prompts.judging import CRITIC
from core.specs import CriticSpec
from core.types import shorten
from db import checks, growing, scenarios, sets
from db.scenarios import Kept

FORM = 1
"""Number of the shape of what is kept; another one is made again."""
MEASURED = 5000
"""Examples whose tokens are counted at most."""
WINDOW, AT_ONCE = 16, 200_000
"""Examples in one kept file, and about how many tokens of examples one process writes."""
ROWS = 5000
"""Trees that a page gets at most."""
APART_S = 240
"""Seconds that the process of its own may take."""
_FILES = 400


class Overview(BaseModel):
    """Everything kept about a set and a base, besides the tokens. `problem` is why there are no tokens, or ''."""

    model_config = ConfigDict(frozen=True)
    form: int
    context: int
    problem: str
    origins: list[Origin]
    entries: list[Entry]
    groups: list[Group]
    histogram: Histogram
    checked: Counts


class ShownExample(BaseModel):
    """One example as it is trained on; `tokens` as in `training.critic_reader.Shown`. `at` is its place in the list, from 0."""

    model_config = ConfigDict(frozen=True)
    at: int
    place: int
    node: str
    step: int
    kind: str
    persona: str
    score: float
    tokens: list[tuple[str, int]]
    length: int
    left_out: int


class _Window(BaseModel):
    model_config = ConfigDict(frozen=True)
    examples: list[ShownExample]


class Wanted(NamedTuple):
    """What is looked at: the spec, the folder of its base, and the digest of everything that decides what is seen."""

    spec: CriticSpec
    base: Path
    key: str


def wanted(context: Context, spec: CriticSpec) -> Wanted:
    """Find the set and the base of a spec. Raises Refused where one of them is not there."""
    owner = sets.one_set(context.database, spec.set)
    if owner is None:
        raise Refused(f"There is no set number {spec.set}; it may have been deleted. `subtext sets` lists them.")
    base = base_of(context, spec)
    decides = [
        FORM, CRITIC.digest, list(owner), growing.size(context.database, spec.set), checkpoint_digest(base),
        checks.newest(context.database), spec.corrections,
    ]  # fmt: skip
    return Wanted(spec, base, hashlib.sha256(json.dumps(decides, default=str).encode()).hexdigest()[:32])


def kept_overview(context: Context, found: Wanted) -> Overview | None:
    """The overview, where it was made before."""
    try:
        made = Overview.model_validate_json(_file(context, found.key, "overview").read_bytes())
    except (OSError, ValidationError):
        return None
    return made if made.form == FORM else None


def kept_example(context: Context, found: Wanted, at: int) -> ShownExample | None:
    """One example, where it was made before."""
    try:
        window = _Window.model_validate_json(_file(context, found.key, str(at // WINDOW)).read_bytes())
    except (OSError, ValidationError):
        return None
    return next((one for one in window.examples if one.at == at), None)


def overview(context: Context, spec: CriticSpec) -> Overview:
    """The overview, made in this process where it is not kept. Raises Refused."""
    found = wanted(context, spec)
    made = kept_overview(context, found)
    if made is None:
        make(context, found, 0)
        made = kept_overview(context, found)
    assert made is not None
    return made


def example(context: Context, spec: CriticSpec, at: int) -> ShownExample:
    """One example, made in this process where it is not kept. Raises Refused."""
    found = wanted(context, spec)
    if kept_example(context, found, at) is None:
        make(context, found, at)
    return _there(kept_example(context, found, at), at)


def _there(found: ShownExample | None, at: int) -> ShownExample:
    if found is None:
        raise Refused(f"There is no example {at + 1:,} that can be shown.")
    return found


def make(context: Context, found: Wanted, at: int) -> None:
    """Read the set, tokenise, and keep what was seen: the overview, and examples from the window of `at` on."""
    kept = list(scenarios.trees(context.database, found.spec.set))
    labelled, checked = apply(kept, labels_now(context, [one.tree_id for one in kept]))
    kept = labelled if found.spec.corrections else kept
    trees = [one.tree for one in kept]
    listed = list(examples(trees))
    measured: dict[int, int] = {}
    problem, most = "", 0
    # Late: the tokenizer's library belongs to processes that run a model, never to the page or the worker.
    try:
        from training.critic_reader import Reader
        from training.models import NotLoadable
    except ImportError:
        problem = "Tokens are not shown: that needs torch and transformers, pip install 'subtext[train]'."
    else:
        try:
            reader = Reader(found.base)
            most = reader.context
            places = _unless_kept(context, found, listed)
            measured = dict(zip(places, reader.lengths([listed[place] for place in places]), strict=True))
            _keep_windows(context, found, listed, at, reader)
        except NotLoadable as error:
            problem = str(error)
    if kept_overview(context, found) is not None:
        if problem:
            raise Refused(problem)
        return
    report = lint(trees)
    entries = [
        Entry(one.scenario, one.node, one.step, one.score, measured.get(place)) for place, one in enumerate(listed)
    ]
    _keep(
        context, _file(context, found.key, "overview"),
        Overview(
            form=FORM, context=most, problem=problem, origins=[_origin(one) for one in kept], entries=entries,
            groups=list(groups(report)), histogram=report.histogram, checked=checked,
        ),
    )  # fmt: skip


def _unless_kept(context: Context, found: Wanted, listed: Sequence[Example]) -> list[int]:
    """The examples to measure; none where the overview is there and only another window is asked for."""
    if kept_overview(context, found) is not None:
        return []
    sizes = [sum(len(part.content) for part in one.prompt) + len(one.completion) for one in listed]
    return chosen(sizes, MEASURED)


def _keep_windows(context: Context, found: Wanted, listed: Sequence[Example], at: int, reader: Any) -> None:
    tokens, first = 0, at // WINDOW * WINDOW
    while first < len(listed) and tokens < AT_ONCE:
        shown: list[ShownExample] = []
        for place, one in enumerate(listed[first : first + WINDOW], first):
            own = reader.show(one)
            tokens += own.length
            where = {"place": one.scenario, "node": one.node, "step": one.step, "kind": one.kind}
            shown.append(
                ShownExample(at=place, persona=one.persona, score=one.score, **where, **own._asdict())  # pyright: ignore[reportArgumentType]
            )
        _keep(context, _file(context, found.key, str(first // WINDOW)), _Window(examples=shown))
        first += WINDOW


def _origin(one: Kept) -> Origin:
    scenario = one.tree.scenario
    return Origin(one.scenario_id, one.tree_id, shorten(scenario.query, 90), group_of(scenario), scenario.split)


def _folder(context: Context) -> Path:
    return context.settings.data / "previews"


def _file(context: Context, key: str, part: str) -> Path:
    return _folder(context) / f"{key}-{part}.json"


def _keep(context: Context, file: Path, made: BaseModel) -> None:
    """Write a file whole or not at all, and take away the oldest ones where there are too many. Raises Refused."""
    beside = file.with_suffix(f".{os.getpid()}.part")
    try:
        file.parent.mkdir(exist_ok=True)
        beside.write_text(made.model_dump_json(), "utf-8", errors="replace")
        beside.replace(file)
        old = sorted(_folder(context).iterdir(), key=lambda one: -one.stat().st_mtime)[_FILES:]
        for one in old:
            one.unlink(missing_ok=True)
    except OSError as error:
        beside.unlink(missing_ok=True)
        reason = (error.strerror or str(error)).lower()
        raise Refused(f"The preview could not be written into {_folder(context)}: {reason}.") from error


class Previews:
    """Previews for a web server, which never loads a tokenizer: what is not kept is made in a process apart, one at a time."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._turn = asyncio.Lock()

    async def overview(self, spec: CriticSpec) -> Overview:
        """See `overview`."""
        found = await run_in_threadpool(wanted, self._context, spec)
        made = await run_in_threadpool(kept_overview, self._context, found)
        if made is not None:
            return made
        async with self._turn:
            made = await run_in_threadpool(kept_overview, self._context, found)
            if made is None:
                await _apart(self._context, spec, 0)
                made = await run_in_threadpool(kept_overview, self._context, found)
        if made is None:
            raise Refused("The set changed while it was read. Look again.")
        return made

    async def example(self, spec: CriticSpec, at: int) -> ShownExample:
        """See `example`."""
        found = await run_in_threadpool(wanted, self._context, spec)
        made = await run_in_threadpool(kept_example, self._context, found, at)
        if made is not None:
            return made
        async with self._turn:
            made = await run_in_threadpool(kept_example, self._context, found, at)
            if made is None:
                await _apart(self._context, spec, at)
                made = await run_in_threadpool(kept_example, self._context, found, at)
        return _there(made, at)


async def _apart(context: Context, spec: CriticSpec, at: int) -> None:
    command = [sys.executable, "-m", "app.cli", "critic", "preview", str(spec.set), f"--base={spec.base}"]
    command += [f"--example={at + 1}", *(["--corrections"] if spec.corrections else [])]
    environment = dict(os.environ) | {"SUBTEXT_DATA": str(context.settings.data.resolve())}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=TOP, env=environment, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    try:
        _, why = await asyncio.wait_for(process.communicate(), APART_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise Refused(f"Tokenising the set took more than {APART_S} seconds and was ended.") from None
    if process.returncode:
        lines = why.decode("utf-8", "replace").strip().splitlines()
        raise Refused(shorten(lines[-1] if lines else "The preview ended without a word.", 600))


def view(context: Context, spec: CriticSpec, found: Overview) -> dict[str, Any]:
    """An overview as JSON for the page and the command line: bounded, with the split and the limit of this spec."""
    owner = sets.one_set(context.database, spec.set)
    parts = sides(found.origins, found.entries, spec.held_out, spec.seed)
    limit = min(spec.max_length, found.context or spec.max_length)
    trees, done = growing.size(context.database, spec.set)
    return {
        "set": {"id": spec.set, "name": owner.name, "version": owner.version} if owner else {"id": spec.set},
        "base": spec.base or STARTER.name,
        "context": found.context,
        "problem": found.problem,
        "growing": trees - done,
        "examples": len(found.entries),
        "train": {"scenarios": parts.train[0], "steps": parts.train[1]},
        "held_out": {"scenarios": parts.held_out[0], "steps": parts.held_out[1]},
        "drawn": parts.drawn,
        "rows": [row._asdict() for row in parts.rows[:ROWS]],
        "more_rows": max(0, len(parts.rows) - ROWS),
        "lengths": lengths([entry.tokens for entry in found.entries], limit)._asdict(),
        "groups": [_group(found, group) for group in found.groups],
        "histogram": found.histogram._asdict(),
        "rubric": [band._asdict() for band in BANDS],
        "checked": found.checked._asdict(),
    }


def _group(found: Overview, group: Group) -> dict[str, Any]:
    told = [
        {
            "scenario": one.scenario,
            "id": found.origins[one.scenario - 1].scenario if one.scenario else None,
            "node": one.node,
            "sentence": one.sentence,
            "blocking": one.blocking,
        }
        for one in group.findings
    ]
    return group._asdict() | {"findings": told}
