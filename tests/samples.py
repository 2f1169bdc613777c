"""Small records in the shapes of the field, written for these tests, and a strategy for our own trees."""

from typing import Any

from hypothesis import strategies as st

from core.types import ROOT, Node, Path, Persona, Review, Scenario, Tree

LONG = "The user may want to decide alone who learns where they are, and when."


def deeppref(**changes: Any) -> dict[str, Any]:
    """A small DeepPref record: two paths, four nodes below the root."""

    def node(thought: str, score: Any, children: list[Any]) -> dict[str, Any]:
        return {
            "thought": thought,
            "score": score,
            "reasoning": f"Reasoning: judges it SCORE: {score}",
            "children": children,
        }

    record: dict[str, Any] = {
        "initial_question": "How do I keep my family updated?",
        "user_profile": "I do not share my live location.",
        "thought_tree": {
            "0": {"children": [1, 2]},
            "1": node(LONG, 0.8, [3]),
            "2": node("The user would like an application that needs no set-up at all.", -0.25, [4]),
            "3": node("Send one short message at the end of each day and agree on it first.", 0.7, []),
            "4": node("Turn on location sharing for the length of the journey, then off.", -0.9, []),
        },
    }
    tree = record["thought_tree"]
    record["response_list"] = [
        {"response": [f"Step 1: {tree['1']['thought']}", f"Step 2: {tree['3']['thought']}"], "score": 1.5},
        {"response": [f"Step 1: {tree['2']['thought']}", f"Step 2: {tree['4']['thought']}"], "score": -1.15},
    ]
    return record | changes


STEP_ROW = {
    "idx": 7,
    "question": "How do I keep my family updated?",
    "preference": "I do not share my live location.",
    "process": f"Step 1: {LONG}\n\n\n\n\nStep 2: Send one short message each evening, agreed before you leave.",
    "label": [
        {"critique": "Reasoning: deep SCORE: 0.8", "score": 0.8},
        {"critique": "**Reasoning:** fine **SCORE:** 0.6", "score": 0.6},
    ],
    "final_score": 1.4,
}
EXPLICIT = {
    "preference": "I avoid crowds.",
    "question": "What should I see?",
    "explanation": "Famous sights are crowded.",
}
CHOICE = EXPLICIT | {
    "implicit_query": "Where to at noon?",
    "options": ["the square", "a side canal"],
    "conversation": {
        "query": "Where?",
        "assistant_options": "1 or 2",
        "user_selection": "2",
        "assistant_acknowledgment": "Good.",
    },
    "aligned_op": "a side canal",
}
PERSONA = EXPLICIT | {
    "persona": "a night nurse",
    "conversation": {"0": {"user": "Hello", "assistant": "Hello"}},
    "fix": "x",
}
ALOE = {
    "profile": "She repairs clocks.",
    "personality": "She is patient.",
    "conversations": [
        {
            "user": "Hello",
            "assistant": {"preferred": "Hello!", "rejected": ["Hi.", "Yo."]},
            "chosen": "preferred",
            "inferred_profile": ["repairs clocks"],
            "inferred_personality": [],
        }
    ],
}
ALIGNX = {
    "prompt": "Reword this.",
    "chosen": "Short.",
    "rejected": "A longer one.",
    "ground_truth_persona": "terse",
    "Pair-wise Comparative Feedback": [{"prompt": "p", "chosen": "c", "rejected": "r"}],
}
RATING = {
    "study_id": "s1",
    "rater_id": "r1",
    "dialogue_id": "d1",
    "turn": 3,
    "dimension": "alignment",
    "value": 4,
    "status": "submitted",
}
FOREIGN: dict[str, Any] = {
    "prefeval_explicit": EXPLICIT,
    "prefeval_choice": CHOICE,
    "prefeval_persona": PERSONA,
    "aloe_text": "She is a lighthouse keeper.",
    "aloe_conversation": ALOE,
    "alignx": ALIGNX,
    "trl_prompt": {"prompt": "Say hello."},
    "trl_completion": {"prompt": "Say hello.", "completion": "Hello."},
    "trl_preference": {"prompt": "Say hello.", "chosen": "Hello.", "rejected": "No."},
    "trl_unpaired": {"prompt": "Say hello.", "completion": "Hello.", "label": True},
    "trl_stepwise": {"prompt": "2+2?", "completions": ["two and two", "are five"], "labels": [True, -0.5]},
    "trl_messages": {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hello!"}]},
    "ratings": RATING,
    "ratings_argilla": {
        "id": "d1",
        "fields": {"study_id": "s1"},
        "responses": {"alignment_3": [{"user_id": "r1", "value": 4, "status": "submitted"}]},
    },
    "ratings_label_studio": {
        "id": "d1",
        "data": {"study_id": "s1"},
        "annotations": [
            {"completed_by": "r1", "result": [{"from_name": "alignment_3", "type": "rating", "value": {"rating": 4}}]}
        ],
    },
}

_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
_score = st.none() | st.floats(-1, 1).map(lambda value: round(value, 4) + 0.0)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Any tree of our own: up to eight nodes, any texts, pruned ones, unscored ones, reviews."""
    scenario = Scenario(
        draw(_text), draw(_text), draw(_text), draw(st.sampled_from(["train", "validation", "test", ""])), draw(_text)
    )
    nodes = [Node(ROOT, None, "root", 0, scenario.query)]
    for index in range(draw(st.integers(0, 7))):
        parent = draw(st.sampled_from(nodes))
        score = draw(_score)
        nodes.append(
            Node(
                str(index + 1),
                parent.key,
                draw(st.sampled_from(["thought", "answer"])),
                parent.depth + 1,
                draw(_text),
                draw(_text),
                score,
                "" if score is not None else draw(st.sampled_from(["the call failed", "no score in the reply"])),
                draw(st.sampled_from([*Persona, ""])),
                draw(st.sampled_from(["", "threshold", "beam", "duplicate"])),
                marks=draw(st.sampled_from([(), ("placeholder",)])),
                reply=draw(st.none() | _text.filter(bool)),
            )
        )
    nodes = [node if node.pruned else node._replace(prune_detail="") for node in nodes]
    review = draw(st.none() | st.builds(Review, st.integers(0, 30), st.integers(0, 40), st.integers(0, 30), _text))
    paths = [Path(nodes[-1].key, draw(st.none() | st.integers(-5, 5)), None, review)] if len(nodes) > 1 else []
    marks = {mark for node in nodes for mark in node.marks}
    return Tree(scenario, tuple(nodes), tuple(paths), tuple(sorted(marks)))
