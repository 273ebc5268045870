"""What a word is: letters of any script with their marks, joined by hyphens and apostrophes, or a <placeholder>."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_WORD = re.compile(r"<[^<>\s]+>|L+(?:['’-]L+)*")  # in an outline: L stands for any letter, mark or digit
_POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
_SUGGESTIONS = 3


@dataclass(frozen=True)
class Word:
    """A word of a text, its characters `start` to `end`; a possessive "'s" is not among them."""

    text: str
    start: int
    end: int
    possessive: bool = False


@dataclass(frozen=True)
class Unknown:
    """A word that a vocabulary lacks, where it first stands, and the nearest words that there are."""

    word: str
    start: int
    end: int
    nearest: tuple[str, ...]


def words_of(text: str) -> tuple[Word, ...]:
    """The words in reading order."""
    outline = "".join("L" if is_letter(character) else character for character in text)
    return tuple(_word(text, *found.span()) for found in _WORD.finditer(outline))


def unknown_words(text: str, known: Iterable[str]) -> tuple[Unknown, ...]:
    """The words of `text` that are not among the words of `known`, once each, with the three nearest of those.

    Capitals do not matter; a word with hyphens is known if all its parts are.
    """
    vocabulary = {word.text.lower() for entry in known for word in words_of(entry)}
    unknown: dict[str, Unknown] = {}
    for word in words_of(text):
        lowered = word.text.lower()
        if lowered in unknown or lowered in vocabulary or vocabulary.issuperset(lowered.split("-")):
            continue
        nearest = nearest_words(lowered, sorted(vocabulary), _SUGGESTIONS)
        unknown[lowered] = Unknown(word.text, word.start, word.end, nearest)
    return tuple(unknown.values())


def nearest_words(word: str, options: Iterable[str], count: int) -> tuple[str, ...]:
    """The `count` options spelt most like `word`, the nearest first."""
    return tuple(difflib.get_close_matches(word, list(options), count, cutoff=0))


def is_letter(character: str) -> bool:
    """Whether a character belongs to a word: a letter, a mark on one, or a digit."""
    return unicodedata.category(character)[0] in "LMN"


def _word(text: str, start: int, end: int) -> Word:
    found = _POSSESSIVE.search(text[start:end])
    end -= len(found.group()) if found else 0
    return Word(text[start:end], start, end, possessive=bool(found))
