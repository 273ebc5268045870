"""A text as a tokenizer cuts it, with the characters behind every token, and the tokens behind a word."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from innerlight.prompts.phrases import Phrase
from innerlight.prompts.words import is_letter, nearest_words, words_of
from innerlight.types import InputError, NotFoundError, Span

Characters = tuple[int, int]

_LONGEST = 100_000  # tokens; a tokenizer that knows no limit says 1e30
_WORDS_NAMED = 30  # in a message


@dataclass(frozen=True)
class Tokens:
    """A text of as many tokens as a model takes, between the marks of its two ends, filled up behind them."""

    text: str
    ids: tuple[int, ...]
    spans: tuple[Characters | None, ...]  # the characters of each token; None for the marks and what is filled up
    end: int  # the position of the first end mark
    truncated: str  # what of the text did not fit

    @property
    def fits(self) -> int:
        """How many characters of the text fit."""
        return len(self.text) - len(self.truncated)


def tokenise(tokenizer: Any, text: str, takes: Mapping[int, int] = MappingProxyType({})) -> Tokens:
    """`text` by a tokenizer of transformers, with offsets in `text` as it is written.

    A character that becomes several tokens is the span of each; an accent typed by itself belongs to its letter.
    `takes`: ids of learned words that take several tokens, whose ids follow each other.
    """
    _refuse_unreadable(tokenizer, text)
    read = tokenizer(
        text, padding="max_length", truncation=True, max_length=tokenizer.model_max_length,
        return_offsets_mapping=True, return_special_tokens_mask=True, return_overflowing_tokens=True,
    )  # fmt: skip
    rows = zip(read["input_ids"], read["offset_mapping"], read["special_tokens_mask"], strict=True)
    pieces = [(id, span) for row in rows for id, span, mark in zip(*row, strict=True) if not mark]
    pieces = [(id + number, span) for id, span in pieces for number in range(takes.get(id, 1))]
    room = tokenizer.model_max_length - 2
    inside, beyond = pieces[:room], pieces[room:]
    cut = beyond[0][1][0] if beyond else len(text)
    filled = room - len(inside)
    ids = [tokenizer.bos_token_id, *(id for id, _ in inside), tokenizer.eos_token_id]
    return Tokens(
        text=text,
        ids=(*ids, *[tokenizer.pad_token_id] * filled),
        spans=(None, *_whole_characters(text[:cut], [span for _, span in inside]), None, *[None] * filled),
        end=len(inside) + 1,
        truncated=text[cut:],
    )


def tokens_of_word(tokens: Tokens, word: str | Span | Phrase, occurrence: int | None = None) -> tuple[int, ...]:
    """The positions of the tokens of `word`, one or several words or a stretch of the text, in reading order.

    Words are found whole, whatever their capitals: everywhere, or only where they stand for the time number
    `occurrence` (0 the first). Places that did not fit into the tokens are left out.
    """
    if not isinstance(word, str):
        return _tokens_of_stretch(tokens, (word.start, word.end), occurrence)
    places = list(_places(tokens.text, word))
    if not places:
        raise NotFoundError(_absent(tokens.text, word))
    if occurrence is not None:
        if not 0 <= occurrence < len(places):
            raise NotFoundError(f"{word!r} stands in the text {len(places)} times; there is no occurrence {occurrence}")
        places = [places[occurrence]]
    fitting = [place for place in places if place[1] <= tokens.fits]
    if not fitting:
        raise NotFoundError(_beyond(tokens, word))
    return _touching(tokens, fitting)


def _refuse_unreadable(tokenizer: Any, text: str) -> None:
    if tokenizer.model_max_length > _LONGEST:
        raise InputError(
            f"the tokenizer names no limit ({tokenizer.model_max_length}); set model_max_length, CLIP's 77"
        )
    for mark in (tokenizer.bos_token, tokenizer.eos_token):
        if mark and mark in text:
            raise InputError(f"text: {mark!r} is the tokenizer's mark of an end of the text; leave it out")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            f"text: character {error.start} is half of a surrogate pair, no character by itself"
        ) from error


def _whole_characters(text: str, offsets: Sequence[Characters]) -> tuple[Characters | None, ...]:
    """Offsets without blanks at their ends, and with the accents that were merged into the letter before them."""
    trimmed = [_trimmed(text, *offset) for offset in offsets]
    starts = {span[0] for span in trimmed if span}
    return tuple(span and (span[0], _accents_end(text, span[1], starts)) for span in trimmed)


def _trimmed(text: str, start: int, end: int) -> Characters | None:
    inside = text[start:end]
    start += len(inside) - len(inside.lstrip())
    return (start, start + len(inside.strip())) if inside.strip() else None


def _accents_end(text: str, end: int, starts: set[int]) -> int:
    """The end of the marks from `end` on that no token starts at."""
    while end < len(text) and end not in starts and unicodedata.category(text[end])[0] == "M":
        end += 1
    return end


def _places(text: str, word: str) -> Iterator[Characters]:
    """Where `word` stands as a whole; between its parts there may be any blanks, accents may be written either way."""
    parts = word.split()
    if not parts:
        raise InputError(f"word: expected one or several words of the text, got {word!r}")
    spellings = {unicodedata.normalize(form, " ".join(parts)) for form in ("NFC", "NFD")} | {" ".join(parts)}
    pattern = "|".join(r"\s+".join(map(re.escape, spelling.split())) for spelling in sorted(spellings))
    for found in re.finditer(pattern, text, re.IGNORECASE):
        start, end = found.span()
        if not _goes_on(text, start) and not _goes_on(text, end):
            yield start, end


def _goes_on(text: str, place: int) -> bool:
    """Whether a word goes on from the character before `place` to the one at it."""
    return 0 < place < len(text) and is_letter(text[place - 1]) and is_letter(text[place])


def _tokens_of_stretch(tokens: Tokens, stretch: Characters, occurrence: int | None) -> tuple[int, ...]:
    start, end = stretch
    if occurrence is not None:
        raise InputError(
            f"occurrence: expected None for a stretch of the text, which names its place; got {occurrence}"
        )
    if not 0 <= start < end <= len(tokens.text):
        raise InputError(
            f"expected a stretch within 0 to {len(tokens.text)}, the length of the text; got {start}, {end}"
        )
    words = tokens.text[start:end]
    if end > tokens.fits:
        raise NotFoundError(_beyond(tokens, words))
    found = _touching(tokens, [stretch])
    if not found:
        raise NotFoundError(f"characters {start} to {end}, {words!r}, have no tokens; choose words of the text")
    return found


def _touching(tokens: Tokens, places: Sequence[Characters]) -> tuple[int, ...]:
    """The positions whose characters overlap one of `places`."""
    return tuple(
        position
        for position, span in enumerate(tokens.spans)
        if span and any(span[0] < end and start < span[1] for start, end in places)
    )


def _absent(text: str, word: str) -> str:
    there = list(dict.fromkeys(one.text for one in words_of(text)))
    if not there:
        return f"{word!r} is not in the text, which has no words: {text!r:.60}"
    everyone = [one.text for one in words_of(text)]
    length = len(word.split())
    runs = [" ".join(everyone[k : k + length]) for k in range(len(everyone) - length + 1)] or there
    (nearest,) = nearest_words(word, dict.fromkeys(runs), 1)
    more = ", ..." if len(there) > _WORDS_NAMED else ""
    return f"{word!r} is not in the text, whose words are {', '.join(there[:_WORDS_NAMED])}{more}; nearest: {nearest!r}"


def _beyond(tokens: Tokens, word: str) -> str:
    return (
        f"{word!r} is in the text, but beyond the {len(tokens.ids)} tokens that the model takes; "
        f"move it forward, or shorten the text: {tokens.truncated[:60]!r} did not fit"
    )
