"""Made-up prompts whose tokens all have ten characters."""

from collections.abc import Sequence

from core.regions import PREFERENCE, QUERY, Prompt, make_prompt


def prompt(
    tokens: int, preference: tuple[int, int], query: tuple[int, int] | None = None, template: Sequence[int] = (0,)
) -> Prompt:
    """A prompt of tokens of 10 characters; regions in characters; template tokens by number."""
    offsets = [(10 * at, 10 * at + 10) for at in range(tokens)]
    own = [span for at, span in enumerate(offsets) if at not in template]
    spans: dict[str | int, tuple[tuple[int, int], ...]] = {0: tuple(own), PREFERENCE: (preference,)}
    if query:
        spans[QUERY] = (query,)
    return make_prompt("x" * 10 * tokens, range(tokens), offsets, spans)
