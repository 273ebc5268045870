"""Noun phrases by rule: runs of determiners, adjectives and nouns between the words that end them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from innerlight.prompts.grammar import ADJECTIVES, BREAKS, DETERMINERS, LOCATIVE, NOUNS_TOO, is_participle
from innerlight.prompts.words import Word, words_of
from innerlight.types import InputError

_JOINTS = ("and", "&", ",")  # of adjectives within a phrase, "a red and blue ball", as well as of phrases
_QUOTES = re.compile("[\"'“”‘’«»()]")


@dataclass(frozen=True)
class Phrase:
    """A noun with what describes it, as characters of a text; the head is the noun itself."""

    text: str
    start: int
    end: int
    head_start: int
    head_end: int

    @property
    def head(self) -> str:
        """The noun."""
        return self.text[self.head_start - self.start : self.head_end - self.start]


@dataclass(frozen=True)
class _Item:
    """A word with its part in a phrase; a joint or a break may also be a punctuation mark, without a word."""

    kind: str  # "determiner", "adjective", "participle", "noun", "possessive", "joint" or "break"
    word: Word | None = None


def noun_phrases(text: str, parser: Callable[[str], Iterable[Phrase]] | None = None) -> tuple[Phrase, ...]:
    """The noun phrases of an English prompt in reading order, none within another, by closed lists of words.

    The rules know captions ("a red chair and a yellow clock", "a cat on the grass"), not every sentence; a `parser`
    takes their place.
    """
    if parser is not None:
        return tuple(_checked(text, phrase) for phrase in parser(text))
    runs = (_phrase(text, run) for run in _runs(_items(text)))
    return tuple(phrase for phrase in runs if phrase is not None)


def _runs(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """What lies between two ends of a phrase; runs without a noun are among them."""
    run: list[_Item] = []
    for item in items:
        complete = any(one.kind == "noun" for one in run)
        match item.kind:
            case "noun" | "possessive":
                goes_on = True
            case "adjective" | "participle":
                goes_on = not complete  # after a noun: "a chair red", "a cat sitting"
            case "determiner":
                goes_on = all(one.kind == "determiner" for one in run)  # "all the cats"
            case "joint":
                goes_on = bool(run) and not complete  # "a red and blue ball"
            case _:
                goes_on = False
        if goes_on:
            run.append(item)
            continue
        yield run
        dangling = item.kind in ("joint", "break") or (complete and item.kind == "participle")
        run = [] if dangling else [item]
    yield run


def _phrase(text: str, run: list[_Item]) -> Phrase | None:
    """The phrase of a run, up to its last noun; None if it has none."""
    words = [(item.kind, item.word) for item in run if item.word is not None]
    nouns = [word for kind, word in words if kind == "noun"]
    if not nouns and any(kind == "determiner" for kind, _ in words):
        nouns = [word for _, word in words if word.text.lower() in NOUNS_TOO]
    if not nouns:
        return None
    start, head = words[0][1].start, nouns[-1]
    return Phrase(text[start : head.end], start, head.end, head.start, head.end)


def _items(text: str) -> Iterator[_Item]:
    """Words by their part in a phrase, and the punctuation between them."""
    locatives = [found.span() for found in LOCATIVE.finditer(text)]
    place = 0
    for word in words_of(text):
        if gap := _QUOTES.sub("", text[place : word.start]).strip():
            yield _Item("joint" if gap in _JOINTS else "break")
        place = word.end + 2 * word.possessive
        locative = any(start <= word.start < end for start, end in locatives)
        yield _Item("break" if locative else _kind(word), word)


def _kind(word: Word) -> str:
    lowered = word.text.lower()
    if word.possessive:
        return "possessive"
    if lowered in _JOINTS:
        return "joint"
    if lowered in BREAKS:
        return "break"
    if lowered in DETERMINERS or lowered.isdigit():
        return "determiner"
    if lowered in ADJECTIVES:
        return "adjective"
    return "participle" if is_participle(lowered) else "noun"


def _checked(text: str, phrase: Phrase) -> Phrase:
    """A foreign parser's phrase, if it is where it says it is."""
    inside = phrase.start <= phrase.head_start < phrase.head_end <= phrase.end
    if not inside or text[phrase.start : phrase.end] != phrase.text:
        found = text[phrase.start : phrase.end]
        raise InputError(
            f"the parser's {phrase} does not lie in the text, which has {found!r} there; check its offsets"
        )
    return phrase
