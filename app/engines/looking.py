"""Looking at a prompt in the process that holds a checkpoint: the order as JSON, the answer as JSON, the slice in a file.

Knows one loaded checkpoint and the file it is told to write; nothing of pages. Torch is loaded already where this runs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.attention import Unmeasured
from core.attention_file import write_slice
from core.attention_question import Question, question_from_json, question_to_json
from core.attention_told import told_meter

if TYPE_CHECKING:
    from training.generate import LocalModel
    from training.models import Loaded
    from training.probe import Probe


def order(asked: Question, answer: str, into: Path) -> dict[str, Any]:
    """What to look at: a question, an answer to read again behind it ('' for none), and the file for the slice."""
    return {"question": question_to_json(asked), "answer": answer, "into": str(into)}


class Looking:
    """A checkpoint that can be looked into; its probe is made, and checked, at the first question."""

    def __init__(self, model: "LocalModel") -> None:
        self._model = model
        self._probe: Probe | None = None

    async def look(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """Do an order. `reason` says why nothing was seen; or `use` is the meter (null without answer), `said` the answer."""
        return await self._model.work(lambda loaded: self._look(loaded, told))

    def _look(self, loaded: "Loaded", told: Mapping[str, Any]) -> dict[str, Any]:
        from training.looking import look
        from training.models import NotLoadable
        from training.probe import open_probe

        try:
            self._probe = self._probe or open_probe(loaded)
            asked = question_from_json(told["question"])
            found = look(self._probe, asked, "", told["answer"])
        except NotLoadable as error:
            return {"reason": str(error)}
        if isinstance(found, Unmeasured):
            return {"reason": found.reason}
        try:
            with Path(told["into"]).open("xb") as file:
                write_slice(found.slice, file)
        except OSError as error:
            return {"reason": f"What was seen could not be written: {error.strerror or type(error).__name__}."}
        return {"use": told_meter(found.use, asked.reverse), "said": found.said}
