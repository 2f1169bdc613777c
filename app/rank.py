"""One of the processes that train together, started by `accelerate launch` as `python -m app.rank FOLDER` on every node.

Does only the training: reads the order in the folder, trains, and the first one tells what comes of it. Knows no database; who
started it registers and reports.
"""

import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, assert_never

from app.actions.policy_runs import scoring_of
from app.actions.train_critic import learn as learn_critic
from app.actions.train_policy import critic_counts, score_of
from app.actions.train_policy import learn as learn_policy
from app.actions.train_supervised import learn as learn_supervised
from app.engines.live_critic import LiveCritic
from app.errors import Refused
from app.order import Fault, Journal, Order, read_order
from core import critic_data
from core.policy_specs import PolicySpec, SFTSpec, TPOSpec
from core.specs import CriticSpec

_LOST = ("Connection closed by peer", "Connection reset by peer", "NCCL communicator was aborted", "Broken pipe")
"""Words of gloo and NCCL when another process of the training is gone."""


@dataclass(frozen=True, slots=True)
class Node:
    """What a process knows of its surroundings: the environment, which holds keys by the names that an order gives."""

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)


def main(arguments: list[str]) -> int:
    """Train what lies in a folder; returns the exit status. One of the places that catch everything: it is a process's border."""
    folder = Path(arguments[0]).resolve()
    journal = Journal(folder, int(os.environ.get("RANK", "0")))
    journal.begun()
    try:
        journal.outcome(train(Node(), read_order(folder), folder, journal))
    except Refused as refusal:
        journal.fault(Fault("refused", str(refusal)))
        return 1
    except Exception as error:  # noqa: BLE001  (the border of the process: whoever started it reads the file)
        traceback.print_exc()
        said = " ".join(str(error).split())
        kind = "lost" if any(words in said for words in _LOST) else "crashed"
        journal.fault(Fault(kind, f"{type(error).__name__}{': ' + said[:300] if said else ''}"))
        return 1
    return 0


def train(node: Node, order: Order, folder: Path, journal: Journal) -> dict[str, Any]:
    """Do this process's part of a training; returns what its action would be told. Raises Refused."""
    training, rows = order.training, order.rows
    match training:
        case PolicySpec():
            # Each process has a critic of its own: they score at the same time, each on its own device and node. One that is
            # too large for that is a server, which is one for all.
            critic = LiveCritic(node, order.critic, scoring_of(training))
            with nullcontext() if training.reward_model else critic:
                told = learn_policy(training, order.base, rows[0], score_of(training, critic), folder, journal)
                return told | {"critic": critic_counts(critic)}
        case SFTSpec() | TPOSpec():
            return learn_supervised(training, order.base, rows, folder, journal)
        case CriticSpec():
            parts = critic_data.Parts(tuple(rows[0]), tuple(rows[1]), 0)
            return learn_critic(training, order.base, parts, folder, journal)
        case _:
            assert_never(training)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
