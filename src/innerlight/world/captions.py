"""Sentences about a scene, of several lengths, with the words of each thing marked.

The rule on unnamed values. Some colours, patterns and relations, and all marks, are drawn but have no word: they are
what personalization has to learn. So that a missing word does not give them away, words that exist are left out at
random too, often enough that P(unnamed | no word) stays at or below 0.2.
"""

from __future__ import annotations

from collections.abc import Collection

from innerlight.types import Caption, Span
from innerlight.world._checks import one_of, whole
from innerlight.world._dice import Dice
from innerlight.world.palette import NAMED_COLOURS, NAMED_PATTERNS
from innerlight.world.relations import NAMED_RELATIONS
from innerlight.world.scene import Relation, Scene, Thing
from innerlight.world.things import CATEGORIES

LENGTHS = ("short", "medium", "long")

# Per mille: how often a word that could be said is said, by length of the caption.
SAID = {
    "short": {"colour": 0, "pattern": 0, "size": 0, "pose": 0, "relation": 500, "setting": 0, "style": 0},
    "medium": {"colour": 680, "pattern": 600, "size": 100, "pose": 200, "relation": 650, "setting": 300, "style": 200},
    "long": {"colour": 700, "pattern": 700, "size": 400, "pose": 500, "relation": 700, "setting": 900, "style": 600},
}
PLAIN_SAID = 150  # "plain" is what goes without saying

SETTING_PHRASES = {
    "grass": "on the grass",
    "sand": "on the sand",
    "water": "in the water",
    "street": "on the street",
    "room": "in a room",
    "sky": "in the sky",
    "snow": "in the snow",
}
RELATION_PHRASES = {"left of": "to the left of", "right of": "to the right of"}
COUNTS = {2: "two", 3: "three", 4: "four"}
PLURALS = {"butterfly": "butterflies", "fish": "fish"}

ROLES = ("size", "colour", "pattern", "pose", "noun", "relation", "setting", "style")
_NOUN_PHRASE = ROLES[:5]  # the order of words

Word = tuple[str, tuple[int, ...] | None, str]  # text, things it speaks of (None: the picture), role


def caption(
    scene: Scene, length: str | None = None, *, variant: int = 0, say: Collection[tuple[int | None, str]] = ()
) -> Caption:
    """A sentence about `scene`. Each `variant` words it anew; a (thing, role) in `say` is said if it has a word."""
    whole("variant", variant, 0, 1_000_000_000)
    drawn = Dice("caption", scene.seed, variant).weighted((("short", 25), ("medium", 40), ("long", 35)))
    length = drawn if length is None else one_of("length", length, LENGTHS)
    for thing, role in say:
        one_of("say: the role", role, ROLES)
        if thing is not None:
            whole("say: the thing", thing, 0, len(scene.things) - 1)
    return _marked(_Wording(scene, length, variant, say).sentence())


def word_for(thing: Thing, role: str) -> str | None:
    """The word for one attribute of a thing; None where it has none."""
    look = thing.look
    match role:
        case "noun":
            return look.category
        case "colour":
            return look.colour if look.colour in NAMED_COLOURS else None
        case "pattern":
            return look.pattern if look.pattern in NAMED_PATTERNS and CATEGORIES[look.category].patterns else None
        case "size":
            return thing.size if thing.size != "medium" else None
        case "pose":
            return thing.pose if thing.pose != CATEGORIES[look.category].poses[0] else None
    raise AssertionError(f"things have no {role}")


class _Wording:
    """Which words are said."""

    def __init__(self, scene: Scene, length: str, variant: int, say: Collection[tuple[int | None, str]]) -> None:
        self.scene, self.variant, self.said, self.say = scene, variant, SAID[length], set(say)

    def sentence(self) -> list[Word]:
        words = self._things()
        style, setting = self.scene.style, self.scene.setting
        if self._chosen(None, "setting"):
            lead, _, noun = SETTING_PHRASES[setting].rpartition(" ")
            words += [(lead, None, ""), (noun, None, "setting")]
        if self._chosen(None, "style"):
            if style == "night":
                words += [("at", None, ""), ("night", None, "style")]
            else:
                words = [("a", None, ""), (style, None, "style"), ("of", None, ""), *words]
        return words

    def _things(self) -> list[Word]:
        """All things: the related pair first, the others listed after it."""
        relation = next((r for r in self.scene.relations if r.name in NAMED_RELATIONS), None)
        everyone = list(range(len(self.scene.things)))
        if relation is None or not self._chosen(relation.subject, "relation"):
            return _listed(self._counted(everyone))
        rest = [number for number in everyone if number not in (relation.subject, relation.object)]
        clause = self._related(relation)
        return [*clause, (",", None, ""), *_listed(self._counted(rest), joined=True)] if rest else clause

    def _related(self, relation: Relation) -> list[Word]:
        phrase = RELATION_PHRASES.get(relation.name, relation.name)
        return [
            *self._noun_phrase(relation.subject),
            *((word, (relation.subject,), "relation") for word in phrase.split()),
            *self._noun_phrase(relation.object),
        ]

    def _counted(self, numbers: list[int]) -> list[list[Word]]:
        """A phrase for each thing; those that read alike become one: "three red cats"."""
        alike: dict[str, list[int]] = {}
        phrases: dict[str, list[Word]] = {}
        for number in numbers:
            phrase = self._noun_phrase(number)
            text = " ".join(word for word, _, _ in phrase)
            alike.setdefault(text, []).append(number)
            phrases.setdefault(text, phrase)
        return [
            _plural(phrases[text], tuple(group)) if len(group) > 1 else phrases[text] for text, group in alike.items()
        ]

    def _noun_phrase(self, number: int) -> list[Word]:
        thing = self.scene.things[number]
        words: list[Word] = []
        for role in _NOUN_PHRASE:
            word = word_for(thing, role)
            if word is not None and (role == "noun" or self._chosen(number, role)):
                words.append((word, (number,), role))
        article = "an" if words[0][0][0] in "aeiou" else "a"
        return [(article, None, ""), *words]

    def _chosen(self, thing: int | None, role: str) -> bool:
        share = self.said[role]
        if role == "pattern" and thing is not None and self.scene.things[thing].look.pattern == "plain":
            share = min(share, PLAIN_SAID)
        if role == "style" and self.scene.style == "photo":
            share //= 2
        # A die of its own for each decision: what is said of one thing does not depend on the others.
        dice = Dice("caption", self.scene.seed, self.variant, role, "picture" if thing is None else thing)
        return dice.chance(share) or (thing, role) in self.say


def _listed(phrases: list[list[Word]], joined: bool = False) -> list[Word]:
    """ "a cat, a dog and a frog"; `joined`: the list goes on from something before it, "and a frog"."""
    words: list[Word] = []
    for position, phrase in enumerate(phrases):
        last = position == len(phrases) - 1
        if last and (position or joined):
            words.append(("and", None, ""))
        elif position:
            words.append((",", None, ""))
        words += phrase
    return words


def _plural(phrase: list[Word], things: tuple[int, ...]) -> list[Word]:
    """ "a red cat" to "two red cats"."""
    *adjectives, (noun, _, _) = phrase[1:]
    return [
        (COUNTS[len(things)], things, "count"),
        *((word, things, role) for word, _, role in adjectives),
        (PLURALS.get(noun, noun + "s"), things, "noun"),
    ]


def _marked(words: list[Word]) -> Caption:
    text, spans = "", []
    for word, things, role in words:
        text += word if word == "," or not text else f" {word}"
        if role:
            start = len(text) - len(word)
            spans += [Span(start, len(text), thing, role) for thing in (things or (None,))]
    return Caption(text, tuple(spans))
