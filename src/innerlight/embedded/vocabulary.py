"""Stage `tokenizer`: a byte-pair vocabulary of its own, learnt from captions.

Real tokenizers split rare words into pieces, and methods must cope with it. So merging stops while at least five
nouns and three adjectives of the world are still split.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from innerlight.backbones.building import build_tokenizer
from innerlight.embedded.data import Scenes
from innerlight.world.captions import PLURALS
from innerlight.world.palette import NAMED_COLOURS, NAMED_PATTERNS
from innerlight.world.things import CATEGORIES

Pair = tuple[str, str]
END = "</w>"
SPLIT_NOUNS, SPLIT_ADJECTIVES = 5, 3
NOUNS = tuple(sorted(CATEGORIES))
ADJECTIVES = (*NAMED_COLOURS, *NAMED_PATTERNS, "small", "large")


def learn_tokenizer(scenes: Scenes) -> Any:
    """A tokenizer that knows the words of the world's captions."""
    merges = learn_merges(count_words(str(text) for shard in scenes.captions for row in shard for text in row))
    return build_tokenizer(vocabulary(merges), merges)


def learn_merges(words: Mapping[str, int]) -> list[Pair]:
    """Merges in order, from counts of words: as many as leave enough nouns and adjectives split."""
    pieces = {word: _letters(word) for word in words}
    merges: list[Pair] = []
    while True:
        pairs: Counter[Pair] = Counter()
        for word, parts in pieces.items():
            for pair in itertools.pairwise(parts):
                pairs[pair] += words[word]
        if not pairs:
            return merges
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merged = {word: _merged(parts, best) for word, parts in pieces.items()}
        if not enough_split(merged):
            return merges
        merges.append(best)
        pieces = merged


def enough_split(pieces: Mapping[str, list[str]]) -> bool:
    """Whether enough of the world's words are still in several pieces."""
    nouns, adjectives = (sum(len(pieces.get(w, "")) > 1 for w in words) for words in (NOUNS, ADJECTIVES))
    return nouns >= SPLIT_NOUNS and adjectives >= SPLIT_ADJECTIVES


def count_words(captions: Iterable[str]) -> Counter[str]:
    """How often each word stands in `captions`; every word of the world counts at least once."""
    counts = Counter(word for text in captions for word in text.replace(",", " ,").split())
    counts.update({*NOUNS, *ADJECTIVES, *PLURALS.values()})
    return counts


def vocabulary(merges: Iterable[Pair]) -> dict[str, int]:
    """Numbers of all pieces: bytes, bytes that end a word, merges, and the two marks of a text's ends."""
    alphabet = _byte_letters()
    pieces = [*alphabet, *(letter + END for letter in alphabet), *("".join(pair) for pair in merges)]
    return {piece: number for number, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}


def _letters(word: str) -> list[str]:
    return [*word[:-1], word[-1] + END]


def _merged(parts: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def _byte_letters() -> list[str]:
    """A printable letter for each of the 256 bytes, as byte-level vocabularies have them."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + number) for number, _ in enumerate(others)]
