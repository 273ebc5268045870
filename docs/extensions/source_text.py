"""The reference says what the source says: types by the names that stand there, and a field's comment as its text."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import io
import re
import sys
import tokenize
from typing import Any

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.inspect import stringify_signature

# The rooms whose pages stand in the reference.
DOCUMENTED = (
    "types", "files", "viz", "world", "maps", "maps.refinement", "metrics", "taps", "prompts", "backbones", "sampling",
    "sampling.editing", "tuning.subjects", "tuning.taught", "bench.data",
    "methods", "methods.combining", "methods.rerunning", "methods.sweeping", "methods.editing.prompt_to_prompt",
    "methods.editing.plug_and_play", "methods.editing.masactrl", "methods.editing.diffedit",
    "methods.editing.attend_and_excite", "embedded.oracle", "embedded.edits",
)  # fmt: skip
TWICE = r"\b(Part|Term)\b"  # classes of editing and of guidance, and others of teaching


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("builder-inited", _add_comments)
    app.connect("autodoc-process-signature", _written_signature)
    app.connect("autodoc-process-docstring", _drop_borrowed_text)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _add_comments(app: Sphinx) -> None:
    """Tell autodoc of the comments on fields, `span: int  # longer side of its box`, in our modules that are loaded."""
    for room in DOCUMENTED:
        importlib.import_module(f"innerlight.{room}")
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


def _written_signature(
    app: Sphinx, what: str, name: str, value: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str, str | None] | None:
    """The signature with its annotations unevaluated; none for a dataclass, whose fields are listed below it."""
    if what == "class" and dataclasses.is_dataclass(value):
        return "", None
    if what not in ("function", "method") or signature is None:
        return None
    written = inspect.signature(value)
    parameters = [p.replace(annotation=_in_full(p.annotation, value)) for p in written.parameters.values()]
    if what == "method":  # self or cls goes without saying
        parameters = [p for p in parameters if p.name not in ("self", "cls")]
    arguments = stringify_signature(written.replace(parameters=parameters), show_return_annotation=False)
    returned = _in_full(written.return_annotation, value)
    return arguments, None if returned is inspect.Signature.empty else str(returned)


def _in_full(annotation: Any, function: Any) -> Any:
    """Names that stand in two rooms with the place of the one that is meant; Sphinx shows the name alone."""
    known = inspect.unwrap(function).__globals__

    def full(name: re.Match[str]) -> str:
        return f"~{known[name[0]].__module__}.{name[0]}"

    return re.sub(TWICE, full, annotation) if isinstance(annotation, str) else annotation


def _drop_borrowed_text(app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """A number has no docstring of its own, only that of `int`."""
    if what == "data" and isinstance(value, int):
        lines.clear()
