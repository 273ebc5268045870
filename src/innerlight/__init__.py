"""innerlight: read, steer, teach and recognise with the representations inside text-to-image diffusion models."""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which costs an import
if TYPE_CHECKING:
    from innerlight.backbones import atlas, blank, load
    from innerlight.methods.combining import combine
    from innerlight.methods.rerunning import rerun
    from innerlight.methods.sweeping import sweep
    from innerlight.sampling import from_image, generate, invert, probe
    from innerlight.taps import Read, Write, tapped

__version__ = "0.1.0"

__all__ = [
    "Read",
    "Write",
    "__version__",
    "atlas",
    "blank",
    "combine",
    "from_image",
    "generate",
    "invert",
    "load",
    "probe",
    "rerun",
    "sweep",
    "tapped",
]

_ROOMS = {  # opened at the first use, so that importing innerlight imports no torch
    "atlas": "backbones",
    "blank": "backbones",
    "load": "backbones",
    "from_image": "sampling",
    "generate": "sampling",
    "invert": "sampling",
    "probe": "sampling",
    "combine": "methods.combining",
    "rerun": "methods.rerunning",
    "sweep": "methods.sweeping",
    "Read": "taps",
    "Write": "taps",
    "tapped": "taps",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})
