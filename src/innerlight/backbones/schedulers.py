"""Any scheduler of diffusers as a rule of steps: copied for each run, so that threads do not disturb each other."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from innerlight.types import InputError


class StepRule:
    """A copy of `scheduler`, set to `steps`; it is given noise, whatever the network predicts."""

    def __init__(self, scheduler: Any, steps: int) -> None:
        if not isinstance(steps, int) or steps < 1:
            raise InputError(f"steps: expected a whole number of at least 1, got {steps!r}")
        copied = deepcopy(scheduler)
        self._scheduler = type(copied).from_config({**copied.config, "prediction_type": "epsilon"})
        self._scheduler.set_timesteps(steps)
        self._times: Tensor = self._scheduler.timesteps
        self._random = "generator" in inspect.signature(self._scheduler.step).parameters

    @property
    def timesteps(self) -> Sequence[int]:
        """Noisy to clean; some rules visit a timestep twice, some stand between two."""
        return [round(float(t)) for t in self._times]

    def start(self, noise: Tensor) -> Tensor:
        """Noise at the size that the rule wants."""
        return noise * self._scheduler.init_noise_sigma

    def scaled(self, latents: Tensor, index: int) -> Tensor:
        """What the network is shown."""
        return self._scheduler.scale_model_input(latents, self._times[index])

    def step(self, latents: Tensor, noise: Tensor, index: int, generators: Sequence[torch.Generator]) -> Tensor:
        """One step; steps must be taken in order, each once."""
        random = {"generator": list(generators)} if self._random else {}
        return self._scheduler.step(noise, self._times[index], latents, return_dict=False, **random)[0]
