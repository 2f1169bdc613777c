"""Build trees as a background job: scenarios chosen or written, then grown side by side, every level stored as it is finished.

A build that was killed goes on where it was: the set and its scenarios are laid out once, finished trees stay, a tree that was
growing starts over, answered from the cache of replies as far as it had come.
"""

import asyncio
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.cancelling import until_cancelled
from app.context import Context
from app.engines.accounting import Tally
from app.engines.choices import engine_of
from app.engines.endpoint import Engine, Role
from app.engines.roles import open_models
from app.errors import Refused
from core.council import Finish, Growth, Level, Models, grow_tree, root
from core.jobs import Reporter
from core.parsing import Malformed, read_scenarios
from core.ports import Ask, ChatModel, Failure
from core.prompts import council
from core.scenarios import choose
from core.specs import BuildSpec
from core.types import Scenario, Tree, shorten
from db import growing, scenarios, sets
from db.growing import Seedling, Source

_ROUNDS = 6
"""Times that a topic is asked again for scenarios it still lacks."""
_IN_ONE_CALL = 5
_SENTENCES = 20
"""Different sentences about losses that a result keeps."""


@dataclass(slots=True)
class _Totals:
    """Running totals of a build. Mutable on purpose: trees grow side by side."""

    trees: int = 0
    finished: int = 0
    near: int = 0
    lost: Counter[str] = field(default_factory=Counter[str])
    unscored: Counter[str] = field(default_factory=Counter[str])


def growth_of(spec: BuildSpec) -> Growth:
    """How the trees of a build grow."""
    names = Growth.__dataclass_fields__
    return Growth(**{name: getattr(spec, name) for name in names})


def build_trees(context: Context, spec: BuildSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    """Run a build to its end, or until it is told to stop. Returns the set, counts, and what was lost and why. Raises Refused."""
    return asyncio.run(_build(context, spec, folder, reporter))


async def _build(context: Context, spec: BuildSpec, folder: Path, reporter: Reporter) -> dict[str, Any]:
    tally, totals = Tally(), _Totals()
    chosen: dict[Role, Engine] = {"critic": engine_of(context, "critic", spec.critic)}
    async with open_models(context, ("council", "critic", "judge"), tally, chosen) as found:
        models = Models(found["council"], found["critic"], found["judge"])
        set_id = await until_cancelled(_work(context, spec, folder.name, models, reporter, totals), reporter)
    counts = tally.read()
    return {
        "set": set_id or growing.set_of(context.database, folder.name),
        "trees": totals.trees,
        "finished": totals.finished,
        "near_duplicates": totals.near,
        "lost": dict(totals.lost.most_common(_SENTENCES)),
        "unscored": dict(totals.unscored.most_common(_SENTENCES)),
        "calls": counts.calls,
        "from_cache": counts.cached,
        "retries": counts.retries,
        "failures": dict(counts.failures),
        "tokens": counts.prompt_tokens + counts.completion_tokens,
    }


async def _work(
    context: Context, spec: BuildSpec, build: str, models: Models, reporter: Reporter, totals: _Totals
) -> int:
    set_id = growing.set_of(context.database, build)
    if set_id is None:
        set_id = await _lay_out(context, spec, build, models.council, reporter, totals)
    left = growing.seedlings(context.database, set_id)
    totals.trees, totals.finished = growing.size(context.database, set_id)
    _tell(reporter, totals)
    places = asyncio.Semaphore(spec.side_by_side)

    async def grow(seedling: Seedling) -> None:
        async with places:
            await _grow(context, seedling, growth_of(spec), models, totals)
            totals.finished += 1
            _tell(reporter, totals)
            reporter.metric(totals.finished, "unscored steps", sum(totals.unscored.values()))

    async with asyncio.TaskGroup() as group:
        for seedling in left:
            group.create_task(grow(seedling))
    return set_id


def _tell(reporter: Reporter, totals: _Totals) -> None:
    reporter.progress(totals.finished, totals.trees, f"{totals.finished} of {totals.trees} trees are grown.")


async def _grow(context: Context, seedling: Seedling, growth: Growth, models: Models, totals: _Totals) -> None:
    """Grow one tree; a level is stored before the next one begins. No transaction is open while a model thinks."""
    await asyncio.to_thread(growing.start_over, context.database, seedling.tree_id)
    async for item in grow_tree(seedling.scenario, growth, models):
        totals.lost.update(shorten(sentence, 200) for sentence in item.lost)
        match item:
            case Level(nodes=nodes):
                totals.unscored.update(shorten(node.unscored, 200) for node in nodes if node.score is None)
                await asyncio.to_thread(growing.add_nodes, context.database, seedling.tree_id, nodes)
            case Finish(paths=paths):
                await asyncio.to_thread(growing.finish, context.database, seedling.tree_id, paths)


async def _lay_out(
    context: Context, spec: BuildSpec, build: str, model: ChatModel, reporter: Reporter, totals: _Totals
) -> int:
    """Choose or write the scenarios and store the set with its roots; returns its id."""
    if spec.set:
        chosen = _of_set(context, spec, reporter)
    else:
        reporter.progress(0, 0, "Writing scenarios.")
        chosen = await _write(spec, model, totals)
    if not chosen:
        raise Refused(
            "There is no scenario to grow: " + ("; ".join(totals.lost) or "the set holds no preference with a query.")
        )
    plan = {"build": build, "spec": spec.model_dump(), "scenarios": [_plain(one) for one in chosen]}
    text = json.dumps(plan, ensure_ascii=False)
    staged = context.blobs.stage(io.BytesIO(text.encode()))
    context.blobs.keep(staged)
    trees = [Tree(scenario, (root(scenario),)) for scenario in chosen]
    source = Source(f"build {build}.json", staged.digest, staged.size)
    return growing.begin(context.database, build, spec.name, trees, source, context.now())


def _plain(scenario: Scenario) -> dict[str, str]:
    return {name: getattr(scenario, name) for name in type(scenario).__slots__}


def _of_set(context: Context, spec: BuildSpec, reporter: Reporter) -> list[Scenario]:
    """The scenarios of a set, in its order; one that stands twice is taken once."""
    if sets.one_set(context.database, spec.set) is None:
        raise Refused(f"There is no set number {spec.set}; it may have been deleted. `subtext sets` lists them.")
    for file in sets.files_of(context.database, spec.set):
        reporter.input(file.name, file.digest)
    found: dict[tuple[str, str], Scenario] = {}
    for record in scenarios.records(context.database, spec.set):
        if record.scenario is not None and record.scenario.preference.strip() and record.scenario.query.strip():
            found.setdefault((record.scenario.preference, record.scenario.query), record.scenario)
        if spec.limit and len(found) >= spec.limit:
            break
    return list(found.values())


async def _write(spec: BuildSpec, model: ChatModel, totals: _Totals) -> list[Scenario]:
    """New scenarios, in rounds: all topics that lack some are asked side by side, then read in their order, so that what is taken
    does not depend on which reply comes first."""
    topics = list(dict.fromkeys(spec.topics))
    taken: tuple[Scenario, ...] = ()
    for turn in range(_ROUNDS):
        missing = {topic: spec.per_topic - sum(one.topic == topic for one in taken) for topic in topics}
        asked = [topic for topic in topics if missing[topic] > 0]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(_ask_for(spec, topic, min(missing[topic], _IN_ONE_CALL), turn, model))
                for topic in asked
            ]
        for topic, task in zip(asked, tasks, strict=True):
            found = task.result()
            if isinstance(found, Malformed):
                totals.lost[f"No scenario on {topic}: {shorten(found.reason, 150)}"] += 1
                continue
            chosen = choose(found, taken, len(taken) + missing[topic])
            taken = chosen.taken
            totals.near += chosen.near
    ordered = sorted(taken, key=lambda one: topics.index(one.topic))
    return ordered[: spec.limit] if spec.limit else ordered


async def _ask_for(
    spec: BuildSpec, topic: str, count: int, turn: int, model: ChatModel
) -> Sequence[Scenario] | Malformed:
    messages = council.scenario(topic, count)
    seed = spec.seed + turn * len(spec.topics) + spec.topics.index(topic)
    ask = Ask(messages, spec.max_tokens * 2, max(spec.temperature, 0.7), seed=seed, repeat=turn)
    reply = await model.ask(ask)
    found = Malformed(reply.reason) if isinstance(reply, Failure) else read_scenarios(reply.text)
    if isinstance(found, Malformed):
        return found
    return [Scenario(pair.preference, pair.query, topic, "train") for pair in found.found]
