"""Stable Diffusion XL: two text encoders side by side, the pooled state of the second, and the picture's sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from innerlight.backbones.backbone import Backbone, Size
from innerlight.backbones.context import Context


class StableDiffusionXL(Backbone):
    """The UNet is also told how large the picture was, where it was cropped, and how large it shall be."""

    def _complete(self, context: Context, pooled: Tensor | None, size: Size) -> Context:
        assert pooled is not None, "SDXL's second encoder projects its pooled state"
        sizes = torch.tensor([[*size, 0, 0, *size]], dtype=torch.float32, device=self.device)
        count = len(context)
        return replace(context, pooled=pooled.float().to(self.device), sizes=sizes.repeat(count, 1))

    def _added(self, context: Context) -> dict[str, Any]:
        assert context.pooled is not None
        assert context.sizes is not None
        return {"text_embeds": context.pooled.to(self.dtype), "time_ids": context.sizes}
