"""A field's comment in the source becomes its text in the reference: `span: int  # longer side of its box`."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import sys
import tokenize
from functools import cache
from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", _add_comment)
    app.connect("autodoc-process-signature", _drop_field_list)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _add_comment(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Give an attribute without text that of its comment."""
    owner, _, field = name.rpartition(".")
    module, _, kind = owner.rpartition(".")
    found = getattr(sys.modules.get(module), kind, None)
    if what == "attribute" and not any(lines) and dataclasses.is_dataclass(found):
        comment = _comments(found).get(field)
        lines[:] = [comment[0].upper() + comment[1:] + "."] if comment else []


def _drop_field_list(
    app: Sphinx,
    what: str,
    name: str,
    value: object,
    options: object,
    signature: str | None,
    returns: str | None,
) -> tuple[str, None] | None:
    """A dataclass lists its fields below; its signature would say them twice."""
    return ("", None) if what == "class" and dataclasses.is_dataclass(value) else None


@cache
def _comments(kind: type) -> dict[str, str]:
    """The comment on the line of each field of a dataclass."""
    source = inspect.cleandoc("\n" + inspect.getsource(kind))
    on_line = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: on_line[field.lineno]
        for field in body.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and field.lineno in on_line
    }
