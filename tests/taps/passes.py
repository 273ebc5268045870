"""One pass through a tiny network, and what it must leave behind: what the tests of taps share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack

from innerlight.backbones import Backbone, Context, blank
from innerlight.taps import Moment, Read, Rows, Tap, Write, now, tapped

FAMILIES = ("sd15", "sd21", "sdxl")
ATTENTION = ("*.self", "*.text")
FEATURES = ("*.residual", "*.output", "*.incoming", "*.skip")
IN_ATTENTION = (
    "input", "key_context", "value_context", "context", "heads", "logits", "probabilities", "mixed", "output",
)  # fmt: skip
PLACES = [(what, ATTENTION) for what in IN_ATTENTION] + [("features", FEATURES)]
FUSED = F.scaled_dot_product_attention


@dataclass(eq=False)
class Pass:
    """Latents on a rectangle, for each of two pictures the rows "uncond" and "cond"."""

    backbone: Backbone
    latents: Tensor
    context: Context
    moment: Moment

    def run(self, *items: Read | Write, stop: bool = False, times: int = 1, **told: Any) -> tuple[Tensor, Tap]:
        """The noise, and what was read, of a pass with these taps; `told` changes the moment."""
        out = torch.empty(0)
        with tapped(self.backbone.sites, *items, stop=stop) as seen:
            for _ in range(times):
                out = self.plain(**told)
        return out, seen

    def plain(self, **told: Any) -> Tensor:
        """The noise, whatever is open."""
        return self.backbone.denoise(self.latents, 500, self.context, replace(self.moment, **told))


def a_pass(backbone: Backbone, *, size: tuple[int, int] = (8, 12), images: int = 2) -> Pass:
    latents = torch.randn(2 * images, 4, *size, generator=torch.Generator().manual_seed(5))
    prompts = [*[""] * images, *["a red cat", "a dog and a frog"][:images]]
    moment = Moment(step=3, steps=10, timestep=500, rows=Rows(("uncond", "cond"), images))
    return Pass(backbone, latents, backbone.embed(prompts), moment)


def in_half(backbone: Backbone) -> Backbone:
    """The same with a UNet in bfloat16."""
    other = backbone.copy()
    nn.Module.to(other.unet, torch.bfloat16)
    return other


def tiny(family: str, **rest: Any) -> Backbone:
    torch.set_num_threads(1)
    return blank(family, **rest)


def own(view: Any) -> Any:
    """A write that changes nothing."""
    return view.own


def never(moment: Moment) -> bool:
    del moment
    return False


def traces(backbone: Backbone) -> list[str]:
    """What a tap left behind; nothing, it is hoped."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")
    hooked = [f"{name}: {kind}" for name, m in backbone.unet.named_modules() for kind in kinds if getattr(m, kind)]
    modes = [f"mode {mode}" for mode in _get_current_function_mode_stack()]
    kernel = [] if F.scaled_dot_product_attention is FUSED else ["another attention kernel"]
    return [*hooked, *modes, *kernel, *([] if now() == Moment() else [f"told {now()}"])]
