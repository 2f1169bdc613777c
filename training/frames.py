"""Sentences with slots that the starter model's lessons are written in: thoughts, answers, critiques, by kind. Data only.

Quotes are « spaced »: a word then is the same token as in the preference, with its space before it, and can be copied as it is.
Slots: {a} and {b} are words of the preference, {it} is a piece of the query, {need}, {offend}, {serve} come from a theme.
"""

from collections.abc import Mapping

from core.types import Persona

OPENINGS: Mapping[Persona, tuple[str, ...]] = {
    Persona.SOCIOLOGIST: (
        "The words « {a} » carry a rule that others around this person keep too.",
        "Nobody says « {a} » alone: other people stand behind it, and they will look on.",
        "Whoever is touched by « {it} » will read it as a sign, and « {a} » tells whose judgement counts.",
    ),
    Persona.PSYCHOLOGIST: (
        "There is a feeling under the words « {a} », and it is older than the question.",
        "The person says « {a} » almost in passing, as one does with what hurts.",
        "Asking about « {it} » may be a way to talk about « {a} » without having to.",
    ),
    Persona.PRAGMATIST: (
        "In practice « {a} » is what « {it} » would cost first.",
        "With what they have, « {it} » can work only if « {a} » is left in place.",
        "The plan for « {it} » will fail on a plain evening, when « {a} » is in the way.",
    ),
    Persona.PEDAGOGUE: (
        "To decide on « {it} », the person would have to see what they mean by « {a} ».",
        "Two things are mixed in « {a} »: what they want, and what they want it for.",
        "One question would help them with « {it} »: which part of « {a} » could they do without?",
    ),
    Persona.CONTRARIAN: (
        "Perhaps « {it} » is not the question at all, and « {a} » is.",
        "Turn it round: « {a} » may be what they are tired of defending.",
        "Everybody would start with « {it} ». The odd word here is « {a} ».",
    ),
}
FOLLOWING = (
    "If that holds, « {b} » has to be read again.",
    "The steps leave out « {b} », which pulls the other way.",
    "What was found about « {a} » also explains « {b} ».",
    "It follows that « {it} » would touch « {b} » as well.",
    "The same worry stands behind « {b} ».",
)
INFERENCES = (
    "Underneath, they may need {need}.",
    "What it protects is this: {need}.",
    "They have not said it, but this seems to be missing: {need}.",
    "They may fear to lose something larger: {need}.",
)
DISLIKES = (
    "They would dislike an answer that would {offend}.",
    "To {offend} would end the conversation.",
    "Any help that would {offend} misses them.",
    "It would go wrong for them to {offend}.",
)
CONTRASTS = (
    "So « {a} » and « {b} » look like two wishes, yet both come from one need.",
    "What looks like a conflict of « {a} » with « {b} » is one need seen from two sides.",
)
SURFACE = (
    "The person likes « {a} » and asks about « {it} ». The answer should keep « {a} » in mind.",
    "They care about « {a} ». For « {it} » it should be respected.",
    "This is somebody who values « {a} » and also « {b} », and wants to know about « {it} ».",
    "An answer about « {it} » should fit with « {a} ».",
)
VAGUE = (
    "There are many options here, and it depends on taste. It is best to weigh the pros and cons.",
    "In general most people are happy with a good plan. Take it one step at a time.",
    "It depends on many things. A balanced approach is usually best in general.",
    "With « {it} » there are many options. Most people compare the pros and cons first.",
)
LEAPS = (
    "Since they mention « {a} », they surely want to {offend}.",
    "Obviously « {a} » always means the same thing, and so they want a cheap answer.",
    "Everybody who says « {a} » is surely afraid of other people.",
    "They ask about « {it} », so obviously they have tried everything else.",
)
AGAINST = (
    "They should forget about « {a} » for now and get on with « {it} ».",
    "The best thing is to ignore « {a} »: it is holding them back.",
    "They should give up « {a} » and simply {offend}.",
    "For « {it} » one has to {offend}, so let them ignore « {b} » as well.",
)
HARM = (
    "The quickest way is to lie about « {a} »; nobody has to know.",
    "Make them give up « {a} » by force, and punish them if they complain.",
    "They should lie to everyone about « {it} » and threaten whoever asks.",
    "Do the opposite of « {a} » behind their back: {offend}, and lie about it.",
)
ANSWERS = (
    "You wrote « {a} », so I would begin there: {serve}. For « {it} » that means one thing first: {serve_b}.",
    "For « {it} » I would start small: {serve}. Because of « {b} », I would also {serve_b}.",
    "Before anything else, {serve}. Then look at « {it} » again, and {serve_b}, so that « {a} » stays as it is.",
    "I would not touch « {a} ». For « {it} », {serve}, and after that {serve_b}.",
)
ASSUMED = (
    "I have assumed that « {a} » is what you protect; if it is something else, the first part changes.",
    "I have assumed that you need this: {need}. If I am wrong, tell me and we begin again.",
    "If you do not need this, leave the second part out: {need}. That is what I have assumed.",
)
PLAIN_ANSWERS = (
    "For « {it} » I would {serve}.",
    "A good start for « {it} » is simple: {serve}.",
    "About « {it} »: it depends on what you like. You could {serve}.",
)
BAD_ANSWERS = (
    "Forget about « {a} ». For « {it} » you should simply {offend}.",
    "Ignore « {b} » and take the usual way with « {it} ».",
)
STATED = (
    "{who} I care about {a}, but {b} matters to me as well.",
    "{who} What I care about is {a}. Still, I would not give up {b}.",
    "{who} I value {a} above most things, and yet I keep thinking of {b}.",
    "{who} I have always held on to {a}; lately {b} has come in between.",
    "{who} For me {a} comes first, even if {b} suffers, which I hate.",
    "{who} People say I make too much of {a}. They do not see what {b} means to me.",
    "{who} I love {a}. I also need {b}, and the two do not get on.",
    "I would like {a} and {b} at once. {who}",
    "{who} Do not take {a} away from me, and do not forget {b}.",
    "{who} Much as I want {b}, I cannot do without {a}.",
)
WHO = (
    "I am a {manner} {job}.",
    "I am {age} and work as a {job}.",
    "I have been a {job} for {years} years.",
    "My {kin} calls me {manner}.",
    "Since my {kin} left, I live alone.",
    "I share a house with my {kin}, a {job}.",
    "",
)
KIN = ("mother", "father", "sister", "brother", "husband", "wife", "daughter", "son", "aunt", "neighbour")

GROUNDED = (
    "It takes « {found} » from the person's own words.",
    "It holds on to « {found} », which the person did say.",
    "It starts from « {found} » and so from this person.",
)
LINKED = (
    "It names « {found} » from the query, and little of the person.",
    "It stays with « {found} », the matter asked about.",
)
UNGROUNDED = (
    "It uses none of this person's words.",
    "Nothing in it comes from this preference.",
)
VERDICTS: Mapping[str, tuple[str, ...]] = {
    "exceptional": (
        "Two other readings would treat the two wishes apart; this one shows the single need behind both.",
        "Few would have seen that both sides come from one place, and the words bear it out.",
    ),
    "strong": (
        "It infers a need that was not said, where two plainer readings would stop at the words. It could be bolder.",
        "A real inference, tied to this person; the other side of the preference gets less of it.",
    ),
    "surface": (
        "True, but expected: it repeats the wish and does not ask what lies under it.",
        "Two other readings would say as much. Nothing new is inferred.",
    ),
    "none": (
        "It would fit anybody, and gives advice without looking.",
        "A general remark; no inference is made about this person.",
    ),
    "irrelevant": (
        "It is about something else than this case.",
        "It speaks of another matter and adds nothing here.",
    ),
    "flawed": (
        "It leaps to a claim that nobody made, and gives no ground for it.",
        "The conclusion does not follow from what was said.",
    ),
    "misaligned": (
        "It works against what the person asked to keep.",
        "It sets aside a part of the preference as if it did not count.",
    ),
    "harmful": (
        "It does the opposite of what was asked and would hurt someone.",
        "Deceit or force is no help; it would do harm.",
    ),
}
REPEATS = ("It says again what an earlier step said.", "An earlier step holds all of this already.")
PATHS = (
    "Little follows from little on this path, and the person is hardly seen.",
    "The path holds together, but it finds only a part of what was not said.",
    "Each step follows from the last, down to a need that was not said.",
)
FINALS = (
    "The answer works against the person or would fit anybody.",
    "The answer is usable and plain.",
    "The answer uses what was found.",
)
"""What a review says about path and answer, from poor to good."""
