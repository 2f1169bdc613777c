"""What a well-behaved model would say to each of the product's prompts, made from the question alone: for tests."""

import random
from typing import Any


def kind(messages: list[dict[str, str]]) -> str:
    """Which prompt this is."""
    system, user = messages[0]["content"], messages[-1]["content"]
    if "You judge one step" in system:
        return "critic"
    if "You review a finished path" in system:
        return "review"
    if "You write scenarios" in system:
        return "scenario"
    if user.endswith("Your answer:"):
        return "answer"
    return "hypothesis" if user.endswith("Your hypothesis:") else "follow_up"


def answered(body: dict[str, Any]) -> str:
    """A well-formed reply that depends on the question only; scores lie between 0.30 and 0.99."""
    messages = body["messages"]
    rng = random.Random(str(messages))
    words = " ".join(f"w{rng.randrange(10_000)}" for _ in range(10)) + "."
    match kind(messages):
        case "critic":
            return f"Reasoning: It sees {words} SCORE: {0.3 + 0.69 * rng.random():.2f}"
        case "review":
            return f"Reasoning: It holds together, {words} PROCESS: 20 DISCOVERY: 30 ANSWER: 25 TOTAL: 75"
        case "scenario":
            count = int(messages[-1]["content"].rsplit(": ", 1)[1])
            blocks = [
                f"Preference: I like w{rng.randrange(9999)} w{rng.randrange(9999)} but not w{rng.randrange(9999)}.\n"
                f"Query: How do I w{rng.randrange(9999)} my w{rng.randrange(9999)} w{rng.randrange(9999)}?"
                for _ in range(count)
            ]
            return "\n\n".join(blocks)
        case _:
            return words
