"""The `command` directive: runs a command while the page is built and shows what it printed.

    .. command:: innerlight world --count 4 -o sheet.png
       :picture: sheet.png

The commands of a page run one after another in one empty folder. `:exit:` is the code expected (0), or `any`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

# As wide as a page, without colours; one thread, since many on a busy machine wait for one another.
ENVIRONMENT = {"COLUMNS": "88", "TERM": "dumb", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}


class Command(SphinxDirective):
    """A command, its output, and a picture that it wrote."""

    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {
        "exit": directives.unchanged,
        "picture": directives.unchanged,
        "quiet": directives.flag,  # show the command alone
        "wrap": directives.flag,  # break long lines rather than let them run out of sight
    }

    def run(self) -> list[nodes.Node]:
        line = " ".join(self.arguments[0].split())
        program, *words = shlex.split(line)
        if program == "innerlight":
            program = str(Path(sys.executable).with_name(program))  # the one that is documented
        folder = self._folder()
        done = subprocess.run(
            [program, *words],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=os.environ | ENVIRONMENT,
        )
        expected = self.options.get("exit", "0")
        if expected not in ("any", str(done.returncode)):
            raise self.error(f"`{line}` exited {done.returncode}, not {expected}: {done.stderr.strip()}")
        printed = "\n".join(part.rstrip() for part in (done.stdout + done.stderr).strip("\n").split("\n"))
        text = f"$ {line}\n" + ("" if "quiet" in self.options else printed)
        block = nodes.literal_block(
            text, text.rstrip(), language="console", classes=["command"] + ["wrapped"] * ("wrap" in self.options)
        )
        return [block, *self._picture(folder)]

    def _folder(self) -> Path:
        """Empty at the first command of a page, then as that left it."""
        folders = self.env.temp_data.setdefault("innerlight_commands", {})
        if self.env.docname not in folders:
            folders[self.env.docname] = tempfile.TemporaryDirectory(prefix="innerlight-docs-")
        return Path(folders[self.env.docname].name)

    def _picture(self, folder: Path) -> list[nodes.Node]:
        name = self.options.get("picture")
        if name is None:
            return []
        target = Path(self.env.srcdir) / "guide" / "images" / f"{self.env.docname}_{name}".replace("/", "_")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((folder / name).read_bytes())
        place = "/" + target.relative_to(self.env.srcdir).as_posix()
        return self.parse_text_to_nodes(f".. image:: {place}\n   :alt: {name}\n   :class: shown\n")


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("command", Command)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
