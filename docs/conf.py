"""How Sphinx builds the documentation: `make docs`."""

from __future__ import annotations

import atexit
import shutil
import sys
import tempfile
from pathlib import Path

import innerlight

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "extensions"))

project = "innerlight"
author = "innerlight contributors"
release = version = innerlight.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx_gallery.gen_gallery",
    "commands",
    "evidence",
    "source_text",
]
exclude_patterns = ["_build", "pages", "extensions"]
default_role = "code"
nitpicky = False

# The pages run in a copy of their folder, so that what they write does not land among the sources.
scratch = Path(tempfile.mkdtemp(prefix="innerlight-docs-"))
atexit.register(shutil.rmtree, scratch, ignore_errors=True)
shutil.copytree(HERE / "pages", scratch / "pages")

sphinx_gallery_conf = {
    "examples_dirs": str(scratch / "pages"),
    "gallery_dirs": "guide",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "gallery.reading_order",
    "image_scrapers": ("gallery.pictures",),
    "reset_modules": ("gallery.strict_warnings",),
    "reset_modules_order": "both",
    "capture_repr": ("__repr__",),
    "ignore_repr_types": r"PIL\.",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "min_reported_time": 10_000,
    "remove_config_comments": True,
    "thumbnail_size": (480, 300),
}

autodoc_default_options = {
    "members": True,
    "undoc-members": True,
    "member-order": "bysource",
}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Types stand as in the source, not as what they are made of; source_text does the same for functions.
autodoc_type_aliases = {"NDArray": "NDArray"}
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries = False

html_theme = "furo"
html_title = "innerlight"
html_static_path = ["_static"]
html_css_files = ["innerlight.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
pygments_style = "default"
pygments_dark_style = "monokai"
