"""Words of a prompt: where each stands among the tokens, which phrases they form, and rows that stand in for some.

Places in a text are characters, `text[start:end]`; places among tokens are positions, 0 the mark that opens the text.
"""

from __future__ import annotations

from innerlight.prompts.alignment import Alignment, aligned, refined_words, replaced_words
from innerlight.prompts.learned import LearnedWord, with_names
from innerlight.prompts.phrases import Phrase, noun_phrases
from innerlight.prompts.scattering import scattered
from innerlight.prompts.tokens import Tokens, tokenise, tokens_of_word
from innerlight.prompts.words import Unknown, unknown_words, words_of

__all__ = [
    "Alignment",
    "LearnedWord",
    "Phrase",
    "Tokens",
    "Unknown",
    "aligned",
    "noun_phrases",
    "refined_words",
    "replaced_words",
    "scattered",
    "tokenise",
    "tokens_of_word",
    "unknown_words",
    "with_names",
    "words_of",
]
