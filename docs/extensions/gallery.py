"""What the gallery asks us: the order of the pages, the pictures of a block, how strict it is while a page runs."""

from __future__ import annotations

import ast
import warnings
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

ORDER = (
    "inside", "reading", "daam",
    "editing", "prompt_to_prompt", "plug_and_play", "masactrl", "diffedit", "attend_and_excite", "inversions",
    "combining",
    "teaching", "textual_inversion", "p_plus", "dreambooth", "text_anatomy",
    "recognising", "diffseg", "emerdiff", "dift", "embedding_correspondence", "pdm",
    "world", "pictures", "files", "conventions", "adding",
)  # fmt: skip

_shown: list[Any] = [None]  # the last expression seen: a block without one leaves the earlier one behind
_filters: list[Any] = []


def reading_order(name: str) -> int:
    """The place of a page among its sisters."""
    return ORDER.index(Path(name).stem)


def pictures(block: Any, block_vars: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """The Pillow pictures that a block leaves as its last expression, saved and as reStructuredText."""
    value = block_vars["example_globals"].get("___")
    if value is _shown[0]:
        return ""
    _shown[0] = value
    found = value if isinstance(value, list | tuple) else [value]
    lines = []
    for picture in found:
        if isinstance(picture, Image.Image):
            path = Path(next(block_vars["image_path_iterator"]))
            picture.save(path)
            place = path.relative_to(gallery_conf["src_dir"]).as_posix()
            lines += [
                f".. image:: /{place}",
                f"   :alt: {_last_line(block.content)}",
                "   :class: shown",
                "",
            ]
    return "\n".join(lines)


def strict_warnings(gallery_conf: dict[str, Any], page: str, when: str) -> None:
    """Inside a page a warning is an error."""
    if when == "before":
        _filters.append(warnings.catch_warnings())
        _filters[-1].__enter__()
        warnings.simplefilter("error")
    else:
        _filters.pop().__exit__(None, None, None)
        _shown[0] = None


def _last_line(code: str) -> str:
    """The expression that the picture is the value of."""
    return escape(" ".join(ast.unparse(ast.parse(code).body[-1]).split()), quote=False)
