"""Words that the starter model's lessons are put together from: themes, topics, people. Data only; no rule and no chance.

A theme is what a preference may be about: how people say it, what lies under it, what would offend it, what would serve it.
"""

from collections.abc import Mapping
from typing import NamedTuple


def _items(text: str) -> tuple[str, ...]:
    return tuple(" ".join(item.split()) for item in text.split(";"))


class Theme(NamedTuple):
    """`said` completes "I care about ..."; `needs` "they need ..."; `offends` "an answer that would ..."; `serves` are orders."""

    said: tuple[str, ...]
    needs: tuple[str, ...]
    offends: tuple[str, ...]
    serves: tuple[str, ...]


def _theme(said: str, needs: str, offends: str, serves: str) -> Theme:
    return Theme(_items(said), _items(needs), _items(offends), _items(serves))


THEMES: Mapping[str, Theme] = {
    "privacy": _theme(
        """
            my privacy; not being watched; a life without logins; keeping my address to myself; closed curtains;
            deciding who knows what about me; papers that stay in my drawer; my name on no list
        """,
        """
            a say over who knows what; the right to stay unknown; a corner that nobody looks into
        """,
        """
            ask for their details first; sign them up somewhere; take their caution for fear
        """,
        """
            choose what works without an account; pay in cash where you can; ask what is kept about you before
            you agree
        """,
    ),
    "money": _theme(
        """
            every pound I earn; paying my own way; never owing anybody; a full savings jar; buying once and
            buying well; my small pension; knowing what a thing really costs; my rent on the first
        """,
        """
            proof that they can stand alone; calm about the end of the month; respect for what they went without
        """,
        """
            praise a cheap trick; send them to a shop they cannot afford; hide the running costs
        """,
        """
            write down the whole cost before you start; begin with what you own; set a sum and stop there
        """,
    ),
    "time": _theme(
        """
            my free mornings; an hour that belongs to me; slow weekends; getting home before dark; not being
            hurried; a calendar with gaps; sleep after my shift; doing one thing at a time
        """,
        """
            time that nobody may claim; permission to be slow; an end to being on call
        """,
        """
            fill the last free hour; add another list; count minutes for them
        """,
        """
            keep one evening empty on purpose; do the smallest part first; say no to one thing this week
        """,
    ),
    "family": _theme(
        """
            my mother's opinion; Sunday lunch with everyone; my sister's trust; being there for my children; the
            house my parents built; my grandson's questions; peace at our table; my brother, who never asks for
            help
        """,
        """
            to be loyal without disappearing; a way to disappoint nobody and still choose; to be asked how they
            are
        """,
        """
            set them against their own people; treat duty as weakness; leave the others out
        """,
        """
            talk to one of them before you decide; say what you can give and what you cannot; let the others
            carry a part
        """,
    ),
    "health": _theme(
        """
            my bad knee; walking without pain; what the doctor told me; eating what agrees with me; a body that
            keeps up; my old back; breathing easily; my steady hands
        """,
        """
            a body they can rely on; not to be defined by an illness; a pace that does not punish them tomorrow
        """,
        """
            push through the pain; promise a cure; speak to them as to a patient
        """,
        """
            try it for ten minutes and see how tomorrow feels; ask the doctor the one question that worries you;
            rest before you must
        """,
    ),
    "solitude": _theme(
        """
            my quiet evenings; eating alone with a book; empty beaches; a door I can close; not having to talk;
            small groups; my own company; silence after work
        """,
        """
            rest from being looked at; company that asks for nothing; a way to leave without explaining
        """,
        """
            send them into a crowd; call them shy; plan a surprise for them
        """,
        """
            go at an hour when few others do; take the seat near the door; tell them beforehand when you will
            leave
        """,
    ),
    "honesty": _theme(
        """
            plain words; being told the truth; people who admit mistakes; no small print; saying what I mean; a
            straight answer; reviews by real people; keeping my word
        """,
        """
            to be trusted with bad news; somebody who does not flatter; certainty that nothing is hidden
        """,
        """
            flatter them; leave out the drawback; sell an opinion as a fact
        """,
        """
            ask for the drawback first; put what you agree on in writing; say once what you will not do
        """,
    ),
    "craft": _theme(
        """
            work done properly; my father's tools; mending what is broken; doing it with my own hands; a good
            seam; the way my teacher showed me; learning it from the ground up; well-made shoes
        """,
        """
            to be seen as somebody who can; a standard that nobody lowers; to leave something that lasts
        """,
        """
            offer a shortcut; replace what could be mended; praise them for little
        """,
        """
            make one small piece first; spend on the tool and save on the rest; ask somebody who has done it for
            years
        """,
    ),
    "fairness": _theme(
        """
            who pays for my comfort; fair wages; taking no more than my share; the neighbours' sleep; local
            shops; not leaving waste; animals that are treated well; those who come after us
        """,
        """
            to enjoy it without taking it from somebody; a clear conscience more than praise; to be part of a
            place
        """,
        """
            call it somebody else's problem; offer a label for a conscience; make them feel guilty
        """,
        """
            ask who made it and what they were paid; choose the smaller version; give something back where you
            take
        """,
    ),
    "tradition": _theme(
        """
            the way we always did it; my grandmother's recipes; our old songs; the feast in autumn; a
            handwritten letter; the church on the hill; the language of my village; good manners
        """,
        """
            a thread to those who are gone; to pass something on; to belong without explaining
        """,
        """
            modernise it for them; treat it as a costume; take out the part that matters
        """,
        """
            keep the one part you would miss most; ask the oldest person who remembers; do it first as it was
            done
        """,
    ),
    "safety": _theme(
        """
            knowing the way out; a locked door; a plan for bad weather; not taking chances; my daughter's
            safety; a phone that is charged; well-lit streets; somebody who knows where I am
        """,
        """
            control over what happens next; to be careful without being laughed at; one person who would notice
        """,
        """
            tell them there is nothing to fear; leave them without a way back; list every danger
        """,
        """
            agree on a time to call; look at the place once by daylight; decide beforehand what would make you
            turn back
        """,
    ),
    "freedom": _theme(
        """
            deciding for myself; never being tied down; changing my mind; open roads; no fixed plans; my
            independence; going where I like; work without a boss
        """,
        """
            a choice that can be undone; to be asked and not told; room to fail in private
        """,
        """
            tell them what they must do; bind them for a year; plan every hour
        """,
        """
            pick what you can leave after a month; book only the first night; keep one other way open
        """,
    ),
    "nature": _theme(
        """
            my vegetable patch; birds in the morning; clean rivers; walking in the rain; old trees; the smell of
            hay; dark skies; my three hens
        """,
        """
            something that grows because of them; a place older than their worries; weather on the skin
        """,
        """
            keep them indoors; turn it into a sport; pave it over
        """,
        """
            go out before you decide; let one corner grow wild; start with what already grows there
        """,
    ),
    "novelty": _theme(
        """
            trying what I never tried; surprises; strange food; new faces; getting lost on purpose; odd ideas;
            learning something every day; being the beginner
        """,
        """
            to feel that life is not over; a risk of their own choosing; to be surprised by themselves
        """,
        """
            give them the usual list; play it safe for them; explain the surprise beforehand
        """,
        """
            do the version that makes you a little nervous; let a stranger choose once; leave the last day open
        """,
    ),
}

TOPICS: Mapping[str, tuple[str, ...]] = {
    "travel planning": _items(
        "a week by the sea; the night train north; four days in an old city; a trip with my aunt"
    ),
    "home cooking": _items(
        "a dinner for six; bread that rises; cooking for one; a birthday cake; a week of packed lunches"
    ),
    "fitness": _items("getting stronger; a first long run; swimming again; stiff shoulders; the stairs at work"),
    "personal finance": _items(
        "a small inheritance; a loan for the van; saving for a roof; an unexpected bill; my first salary"
    ),
    "career decisions": _items(
        "an offer from another town; a course at night; leaving after ten years; asking for a raise"
    ),
    "relationship advice": _items(
        "a friend who went silent; a second date; moving in together; an old quarrel; a wedding speech"
    ),
    "medical care": _items("a second opinion; a knee operation; a blood test; the waiting room; a new prescription"),
    "mental wellbeing": _items("bad sleep; a grey winter; worry at night; crying at work; a week off"),
    "learning": _items("a new language; reading maps; the piano at fifty; an exam in June; teaching myself to draw"),
    "family care": _items(
        "my father's driving; a baby who does not sleep; my aunt's hearing; visits on Sunday; a teenager's phone"
    ),
    "pet care": _items("an old dog; a cat that hides; a lame horse; two rabbits; a parrot that screams"),
    "gift giving": _items(
        "a present for my boss; a wedding gift; something for a child I hardly know; a goodbye present"
    ),
    "home and garden": _items("a damp wall; a shady garden; the broken fence; a narrow kitchen; an empty balcony"),
    "smart home": _items(
        "a new thermostat; the doorbell camera; lights that switch themselves; a speaker that listens"
    ),
    "digital services": _items(
        "a new phone plan; old photos; forgotten passwords; an online form; a map that works offline"
    ),
    "shopping": _items("a winter coat; a used bicycle; a washing machine; good boots; a bed that lasts"),
    "entertainment": _items(
        "a film for tonight; a book for the train; a concert in town; games for a rainy day; a small festival"
    ),
    "social events": _items(
        "a party on Friday; a funeral far away; the street feast; a reunion; dinner with strangers"
    ),
    "moving": _items("a flat near the station; packing in a week; a house with stairs; a new town; leaving the farm"),
    "personal safety": _items(
        "walking home late; a strange neighbour; a winter drive; a stolen key; a lonely car park"
    ),
}
"""The twenty topics with what people ask about."""

QUERIES = _items(
    """
        How should I plan {it}?; What would you do about {it}?; Where do I start with {it}?; Any ideas for
        {it}?; Help me with {it}.; Is {it} right for me?; What should I know about {it}?; I need advice on
        {it}.; How do I deal with {it}?; Should I go ahead with {it}?; What is the best way to handle {it}?; Can
        you help me decide about {it}?; What would you suggest for {it}?; Tell me what to do about {it}.; How
        can I get {it} right?; What matters most with {it}?
    """
)
JOBS = _items(
    """
        night nurse; bus driver; retired teacher; baker; carpenter; student; widow; cook; translator; farmer;
        piano tuner; postman; potter; lawyer; bookbinder; midwife; programmer; fisherman; librarian; welder;
        gardener; tailor; surveyor; actor; beekeeper; clerk; vet; roofer; pilot; nun; plumber; dancer; barber;
        chemist; soldier; painter; optician; judge; porter; shepherd; waiter; mechanic; singer; caretaker
    """
)
MANNERS = _items(
    """
        tired; stubborn; careful; cheerful; proud; restless; shy; thrifty; curious; clumsy; patient; blunt;
        gentle; anxious
    """
)
SYLLABLES = _items(
    """
        ba; ber; bo; cal; can; da; del; dor; fa; fen; gal; gor; ha; hel; ka; kin; la; lem; lo; ma; mer; mi; na;
        nor; pa; per; qui; ra; ren; ro; sa; sel; ta; tin; tor; va; ver; vi; wa; wen; za; zor
    """
)
"""For words that nobody has seen: copying must not depend on a word list."""
