"""A field's comment in the source becomes its text in the reference: `span: int  # longer side of its box`."""

from __future__ import annotations

import ast
import dataclasses
import io
import sys
import tokenize
from typing import Any

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _add_comments)
    app.connect("autodoc-process-signature", _drop_field_list)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _add_comments(app: Sphinx) -> None:
    """Tell autodoc of the comments in all modules of ours that are loaded."""
    import innerlight.viz
    import innerlight.world  # noqa: F401

    for name in [name for name in sys.modules if name.split(".")[0] == "innerlight"]:
        analyzer = ModuleAnalyzer.for_module(name)
        analyzer.analyze()
        for place, comment in _comments(analyzer.code).items():
            analyzer.attr_docs.setdefault(place, [f"{comment[0].upper()}{comment[1:]}.", ""])


def _comments(code: str) -> dict[tuple[str, str], str]:
    """(class, field) to the comment on the field's line."""
    on_line = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(code).readline)
        if token.type == tokenize.COMMENT
    }
    return {
        (kind.name, field.target.id): on_line[field.lineno]
        for kind in ast.parse(code).body
        if isinstance(kind, ast.ClassDef)
        for field in kind.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.lineno in on_line
    }


def _drop_field_list(
    app: Sphinx, what: str, name: str, value: object, options: object, signature: str | None, returns: str | None
) -> tuple[str, None] | None:
    """A dataclass lists its fields below; its signature would say them twice."""
    return ("", None) if what == "class" and dataclasses.is_dataclass(value) else None
