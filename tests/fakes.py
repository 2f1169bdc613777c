"""A chat model for tests that answers by a function. It never serves a user."""

from collections.abc import AsyncIterator, Callable

from core.ports import Ask, Cut, Failure, Reply, Streamed

Answer = Callable[[Ask], Reply | Failure | str]


class ScriptedModel:
    """Answers every ask by `answer`; a plain text becomes a reply. Remembers what it was asked in `asked`."""

    def __init__(self, answer: Answer, name: str = "scripted") -> None:
        self._answer = answer
        self._name = name
        self.asked: list[Ask] = []

    @property
    def name(self) -> str:
        return self._name

    async def ask(self, ask: Ask) -> Reply | Failure:
        self.asked.append(ask)
        answer = self._answer(ask)
        if isinstance(answer, str):
            words = sum(len(message.content.split()) for message in ask.messages)
            return Reply(answer, "stop", words, len(answer.split()), 0.0, self._name)
        return answer

    async def stream(self, ask: Ask) -> AsyncIterator[Streamed]:
        outcome = await self.ask(ask)
        if isinstance(outcome, Failure):
            yield outcome
            return
        for start in range(0, len(outcome.text), 5):
            yield outcome.text[start : start + 5]
        if outcome.finish == "length":
            yield Cut()
