"""The closed classes of English, as far as captions and prompts use them: a word that is in none of them is a noun."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words(
    "a an the this that these those my your his her its our their some any no each every both all several many few "
    "another one two three four five six seven eight nine ten eleven twelve"
)
ADJECTIVES = _words(
    "red orange yellow green blue purple pink brown black white gray grey teal lime magenta cyan turquoise violet "
    "beige golden silver colourful colorful multicoloured bright dark pale vivid "
    "plain striped dotted checkered patched spotted patterned furry fluffy hairy smooth rough shiny matte "
    "small large big little tiny huge giant enormous medium tall short long wide narrow thick thin round flat "
    "old young new ancient modern vintage happy sad angry cute beautiful pretty ugly lovely fancy elegant majestic "
    "wooden metallic plastic rusty dirty clean wet dry hot cold warm cool soft hard heavy empty full open "
    "fresh ripe realistic detailed cinematic abstract minimal left right other same different "
    "very really quite rather extremely slightly brightly highly"
)
NOUNS_TOO = _words("orange")  # without another noun behind it, the fruit

VERBS = _words(
    "is are was were be been being has have had "
    "sits stands lies wears holds rides eats runs jumps walks sleeps swims looks plays shows "
    "wearing holding carrying riding eating chasing watching facing having looking showing featuring containing using"
)
PREPOSITIONS = _words(
    "about above across after against along alongside among around as at atop before behind below beneath beside "
    "besides between beyond by down during for from in inside into like near of off on onto opposite out outside over "
    "past per through to toward towards under underneath until up upon with within without"
)
OTHERS = _words(
    "but or nor so yet if when while where which who whose whom than then there here not "
    "i you he she it we they me him us them himself herself itself themselves someone something"
)
BREAKS = VERBS | PREPOSITIONS | OTHERS

_PLACES = "left|right|top|bottom|front|back|side|middle|center|centre|edge"
LOCATIVE = re.compile(  # nouns that only say where: "to the left of a dog", "in front of", "a cat on the right"
    rf"\b(?:(?:to|on|at|in) the (?:far )?(?:{_PLACES})(?: side)?(?: of\b|(?=\s*(?:[,.;]|$)))"
    r"|in front of|on top of|next to|close to|in between)",
    re.IGNORECASE,
)

NOT_PARTICIPLES = _words(
    "building painting drawing ceiling clothing evening morning wedding pudding lightning string spring thing swing "
    "sling shed sled weed speed breed steed hundred"
)
_PARTICIPLE = re.compile(r".{3,}(?:ing|ed)")


def is_participle(word: str) -> bool:
    """Whether a word looks like "sitting" or "covered": before a noun it describes it, after one it ends the phrase."""
    return word not in NOT_PARTICIPLES and bool(_PARTICIPLE.fullmatch(word))
