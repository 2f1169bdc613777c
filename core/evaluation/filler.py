"""Exchanges about nothing that a preference is about; some of them stand between preference and query of an evaluation."""

from core.evaluation.methods import Exchange

FILLER: tuple[Exchange, ...] = (
    Exchange(
        "Why is the sky blue?",
        "Air scatters short waves of light much more than long ones. Blue reaches your eyes from every side of the sky, "
        "while red mostly goes straight on. At sunset the light has crossed so much air that the blue is gone and the red"
        " is left.",
    ),
    Exchange(
        "How do I convert 72 degrees Fahrenheit to Celsius?",
        "Take away 32 and divide by 1.8. For 72 that is 40 divided by 1.8, about 22.2 degrees Celsius.",
    ),
    Exchange(
        "What does the word “serendipity” mean?",
        "It is the luck of finding something good while you were looking for something else. Horace Walpole coined it in "
        "1754 after a Persian tale about three princes of Serendip.",
    ),
    Exchange(
        "How many bones does an adult have?",
        "Usually 206. A newborn has about 270; many of them grow together, in the skull and the lower spine for instance.",
    ),
    Exchange(
        "Can you explain how a zip fastener works?",
        "Each side has a row of teeth with a bump above and a hollow below. The slider bends both rows so that every bump"
        " drops into the hollow of its neighbour. On the way back a wedge inside the slider pushes them apart again.",
    ),
    Exchange(
        "Which planet has the longest day?",
        "Venus. It turns once in about 243 of our days, and backwards, so that from one sunrise to the next 117 of our "
        "days go by.",
    ),
    Exchange(
        "What is the difference between a simile and a metaphor?",
        "A simile compares with a word such as like: she runs like the wind. A metaphor says that one thing is the other:"
        " she is the wind. Both lend a quality; the metaphor leaves the comparison unsaid.",
    ),
    Exchange(
        "How does a lock on a canal lift a boat?",
        "The boat enters a chamber between two gates, and the lower one closes. Water flows in from above through small "
        "openings until the level in the chamber is that of the upper canal. Then the upper gate opens; no pump is "
        "needed.",
    ),
    Exchange(
        "What is the next number: 2, 3, 5, 8, 13?",
        "21, if each number is the sum of the two before it: 8 + 13 = 21.",
    ),
    Exchange(
        "Why do onions make people cry?",
        "Cutting breaks cells, and an enzyme turns one of their sulphur compounds into a gas. In the eye the gas "
        "irritates the nerves, and tears wash it out. A cold onion and a sharp knife set less of it free.",
    ),
)
"""The first so many are taken, so that longer conversations begin as shorter ones do."""
