"""While foreign code opens a file: its talk is held back, and whatever it raises leaves as an error of ours."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

from innerlight.types import InnerlightError, InputError

_SILENT = 50  # above "error": what was wrong we say ourselves
_LONGEST = 300  # characters of a foreign message


@contextmanager
def quiet() -> Iterator[None]:
    """No logs, warnings or progress bars of diffusers, transformers and the hub; restored afterwards. The bar of a
    download stays where somebody can see it.
    """
    import huggingface_hub.utils as hub
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")
        for library in (diffusers_logging, transformers_logging):
            _hush(library, stack)
        if not sys.stderr.isatty() and not hub.are_progress_bars_disabled():
            hub.disable_progress_bars()
            stack.callback(hub.enable_progress_bars)
        yield


def _hush(library: Any, stack: ExitStack) -> None:
    stack.callback(library.set_verbosity, library.get_verbosity())
    library.set_verbosity(_SILENT)
    if library.is_progress_bar_enabled():
        library.disable_progress_bar()
        stack.callback(library.enable_progress_bar)


@contextmanager
def opening(what: object, kind: type[InnerlightError] = InputError, cure: str = "") -> Iterator[None]:
    """Quiet; what foreign code raises becomes a `kind` that says that `what` cannot be opened, and why."""
    try:
        with quiet():
            yield
    except (InnerlightError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:_LONGEST] or type(error).__name__
        raise kind(f"{what} cannot be opened ({reason}){cure and '; ' + cure}") from error
