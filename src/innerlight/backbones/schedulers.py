"""Any scheduler of diffusers as a rule of steps: copied for each run, so that threads do not disturb each other."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Sequence
from copy import deepcopy
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from innerlight.backbones.noise import NoiseLevels
from innerlight.backbones.opening import quiet
from innerlight.types import InputError, NotFoundError


class StepRule:
    """A copy of `scheduler`, set to `steps`; it is given noise, whatever the network predicts.

    Steps are taken in order, each once, for many rules remember the last ones; `copy` gives a rule that has taken none.
    """

    def __init__(self, scheduler: Any, steps: int) -> None:
        if not isinstance(steps, Integral) or steps < 1:
            raise InputError(f"steps: expected a whole number of at least 1, got {steps!r}")
        name = type(scheduler).__name__
        try:
            with quiet():
                self._fresh = type(scheduler).from_config(scheduler.config, prediction_type="epsilon")
                self._fresh.set_timesteps(steps)
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"{name} does not take {steps} steps ({reason}); give fewer, or use DDIMScheduler"
            ) from error
        _refuse_other_rules(self._fresh, name)
        self._scheduler, self._next = deepcopy(self._fresh), 0
        self._times: Tensor = self._fresh.timesteps
        self.settings = {"scheduler": name, "steps": steps}  # for recipes; some rules have more timesteps
        self._random = "generator" in inspect.signature(self._fresh.step).parameters

    def __copy__(self) -> StepRule:
        other = object.__new__(type(self))
        vars(other).update({**vars(self), "_scheduler": deepcopy(self._fresh), "_next": 0})
        return other

    @property
    def timesteps(self) -> Sequence[int]:
        """Noisy to clean; some rules visit a timestep twice, some stand between two."""
        return [round(float(t)) for t in self._times]

    @property
    def order(self) -> int:
        """How many of `timesteps` make one step; a run can begin at multiples of it."""
        return int(getattr(self._fresh, "order", 1))

    def start(self, noise: Tensor) -> Tensor:
        """Noise at the size that the rule wants."""
        return noise * self._fresh.init_noise_sigma

    def scaled(self, latents: Tensor, index: int) -> Tensor:
        """What the network is shown."""
        return self._before(index).scale_model_input(latents, self._times[index])

    def step(self, latents: Tensor, noise: Tensor, index: int, generators: Sequence[torch.Generator]) -> Tensor:
        """One step."""
        self._scheduler, self._next = self._before(index), index + 1
        random = {"generator": list(generators)} if self._random else {}
        return self._scheduler.step(noise, self._times[index], latents, return_dict=False, **random)[0]

    def _before(self, index: int) -> Any:
        """The scheduler as it stands before a step: the one that runs, or another that begins there."""
        if index == self._next:
            return self._scheduler
        other = deepcopy(self._fresh)
        if hasattr(other, "set_begin_index"):
            other.set_begin_index(index)
        return other


def _refuse_other_rules(scheduler: Any, name: str) -> None:
    """Raise for a rule that wants to be told more than noise, or goes from clean to noisy."""
    asked = list(inspect.signature(scheduler.step).parameters.values())[3:]  # behind estimate, timestep and latents
    more = [one.name for one in asked if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
    if more:
        raise InputError(f"{name}: each of its steps wants {' and '.join(more)} as well; use DDIMScheduler, say")
    if float(scheduler.timesteps[0]) < float(scheduler.timesteps[-1]):
        raise InputError(f"{name} goes from the picture to the noise; to go there use invert")


def scheduler_named(name: str, levels: NoiseLevels | None = None) -> Any:
    """A scheduler of diffusers by the name of its class, with a model's levels of noise; left out, those of Stable
    Diffusion.
    """
    import diffusers

    known = [one for one in dir(diffusers) if one.endswith("Scheduler")]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
        raise NotFoundError(f"no scheduler {name!r} in diffusers; did you mean {', '.join(near)}?")
    settings = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    kind = getattr(diffusers, name)
    wanted = inspect.signature(kind).parameters
    if not {"trained_betas", *settings} <= wanted.keys():
        raise InputError(f"{name} is for another kind of noise than Stable Diffusion's; use DDIMScheduler, say")
    more = {"clip_sample": False, "steps_offset": 1, "set_alpha_to_one": False, "skip_prk_steps": True}
    given = {**settings, **{key: value for key, value in more.items() if key in wanted}}
    if levels is not None and not levels.close_to(NoiseLevels.scaled_linear()):
        given |= {"trained_betas": levels.betas.tolist(), "num_train_timesteps": len(levels)}
    return kind(**given)
