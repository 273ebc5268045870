"""A text-to-image model as the library sees it: pictures to latents and back, prompts to contexts, latents to noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from innerlight.backbones.context import Context
from innerlight.backbones.noise import NoiseLevels
from innerlight.files import Source, read_pictures
from innerlight.prompts import LearnedWord, Tokens, scattered, tokenise, with_names
from innerlight.taps import Moment, Site, Sites, View, Write, at_moment, tapped
from innerlight.taps.moment import now
from innerlight.types import InnerlightError, InputError

AT_ONCE = 16  # prompts that a text encoder reads, of words with places: Stable Diffusion has 16 of them, XL 70

Size = tuple[int, int]  # rows, columns of pixels


class NotFiniteError(InnerlightError, ArithmeticError):
    """A network gave a value that is no number."""


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """One tokenizer with its network; `layer` is the hidden state that the UNet was trained on."""

    tokenizer: Any
    model: Any
    layer: int | None = None  # None: the last, after the final norm
    learned: Mapping[int, Tensor] = field(default_factory=dict)  # (tokens, d) or (places, tokens, d), by first id

    def cut(self, text: str) -> Tokens:
        """`text` as tokens."""
        return tokenise(self.tokenizer, text, {id: vectors.shape[-2] for id, vectors in self.learned.items()})

    def knowing(self, words: Sequence[LearnedWord], vectors: Sequence[Tensor]) -> TextEncoder:
        """The same with words of one's own, and what they stand for here."""
        tokenizer, ids = with_names(self.tokenizer, words)
        own = {ids[word.name]: values for word, values in zip(words, vectors, strict=True)}
        return replace(self, tokenizer=tokenizer, learned={**self.learned, **own})

    def relearning(self, name: str, vectors: Tensor) -> TextEncoder:
        """The same with other vectors for a word that it knows; as many of them, or fewer."""
        return replace(self, learned={**self.learned, self.tokenizer.convert_tokens_to_ids(name): vectors})

    def read(self, tokens: Sequence[Tokens], device: torch.device) -> tuple[Tensor, Tensor | None]:
        """States (n, positions, width), and the pooled, projected state where the network has one. A word with
        vectors for each place stands for their mean.
        """
        rows = {}
        for first, vectors in self.learned.items():
            mean = vectors if vectors.ndim == 2 else vectors.mean(0)
            rows |= {first + number: vector for number, vector in enumerate(mean)}
        return self._run(_ids(tokens, device), rows)

    def read_placed(self, tokens: Sequence[Tokens], device: torch.device, places: int) -> Tensor:
        """States (n, places, positions, width), as each place reads them. So many at once that their gradient fits into
        memory: where there are more, what is between is computed again for it.
        """
        ids = _ids(tokens, device)
        first = min(self.learned, default=len(self.tokenizer))
        apart = len(self.tokenizer) - first  # ids of one place and the next
        own = torch.cat([torch.where(ids >= first, ids + place * apart, ids) for place in range(places)])
        rows = {}
        for id, vectors in self.learned.items():
            for place, values in enumerate(vectors if vectors.ndim == 3 else vectors.expand(places, -1, -1)):
                rows |= {id + place * apart + number: vector for number, vector in enumerate(values)}
        parts = own.split(AT_ONCE)
        if len(parts) > 1 and torch.is_grad_enabled():
            read = [checkpoint(lambda part: self._run(part, rows)[0], part, use_reentrant=False) for part in parts]
        else:
            read = [self._run(part, rows)[0] for part in parts]
        return torch.cat(read).unflatten(0, (places, len(tokens))).transpose(0, 1)

    def _run(self, ids: Tensor, rows: Mapping[int, Tensor]) -> tuple[Tensor, Tensor | None]:
        # a pooled state may be looked for at the largest id, so the network is shown none beyond its own
        shown = ids.masked_fill(torch.isin(ids, torch.tensor(list(rows), device=ids.device)), 0) if rows else ids
        with scattered(self.model.get_input_embeddings(), rows, spelt=ids) if rows else nullcontext():
            found = self.model(shown, output_hidden_states=self.layer is not None)
        states = found.last_hidden_state if self.layer is None else found.hidden_states[self.layer]
        return states.float(), getattr(found, "text_embeds", None)

    def places_in(self, tokens: Tokens) -> bool:
        """Does a word stand there that means something else at each place?"""
        return any(vectors.ndim == 3 and id in tokens.ids for id, vectors in self.learned.items())


def _ids(tokens: Sequence[Tokens], device: torch.device) -> Tensor:
    return torch.tensor([list(one.ids) for one in tokens], device=device)


@dataclass(eq=False)
class Backbone:
    """An opened model. What it was opened from is not changed."""

    name: str
    family: str
    unet: Any
    vae: Any
    texts: tuple[TextEncoder, ...]
    levels: NoiseLevels
    prediction: str
    sites: Sites
    calibration: Mapping[str, Any] = field(default_factory=dict)
    empty_is_zero: bool = False  # of the context of "no prompt": SDXL was trained so
    hash: str = ""
    beneath: str = ""  # hash without the LoRAs that were put beside its weights, if any were
    learned: tuple[LearnedWord, ...] = ()  # words that its prompts may hold beside the tokenizer's own

    @property
    def device(self) -> torch.device:
        """Where passes run; modules that offload themselves know better than their weights."""
        hook = getattr(self.unet, "_hf_hook", None)
        place = getattr(hook, "execution_device", None)
        return torch.device(place) if place is not None else next(self.unet.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of the UNet's weights; latents are always float32."""
        return next(self.unet.parameters()).dtype

    @property
    def networks(self) -> dict[str, Any]:
        """All of it, by the names that diffusers gives its parts."""
        texts = zip(("text_encoder", "text_encoder_2"), self.texts, strict=False)
        return {"unet": self.unet, "vae": self.vae, **{name: encoder.model for name, encoder in texts}}

    @property
    def shrink(self) -> int:
        """Pixels per latent cell, along one side."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def size(self) -> Size:
        """The picture size the model was trained for."""
        rows, columns = self.sites.latent
        return rows * self.shrink, columns * self.shrink

    def latent_size(self, size: Size | None = None) -> Size:
        """Latent cells of a picture of `size` pixels (rows, columns)."""
        step, given = self.shrink, self.size if size is None else size
        if not isinstance(given, Sequence) or [isinstance(side, Integral) for side in given] != [True, True]:
            raise InputError(f"size: expected (rows, columns) in whole pixels, got {size!r:.60}")
        rows, columns = given
        if rows % step or columns % step or min(rows, columns) < 8 * step:
            raise InputError(
                f"size: expected rows and columns that are multiples of {step} and at least {8 * step}, "
                f"got {rows} x {columns}"
            )
        return rows // step, columns // step

    def fitting(self, size: Size) -> Size:
        """The size at which a picture of `size` is worked on: its shorter side as the model was trained, its shape
        kept, both sides rounded to whole cells of the coarsest level.
        """
        cell = self.shrink * max(site.stride for site in self.sites.values())
        scale = min(self.size) / min(size)
        rows, columns = (max(cell, round(side * scale / cell) * cell) for side in size)
        return rows, columns

    # Pictures and latents

    def encode(self, pictures: Source | Iterable[Source], size: Size | None = None) -> Tensor:
        """Latents (n, c, h, w) of pictures, which are resized to `size` or to what fits the model best."""
        pixels = torch.from_numpy(self.pixels(pictures, size)).permute(0, 3, 1, 2)
        return self.encode_values(pixels / 127.5 - 1)

    def pixels(self, pictures: Source | Iterable[Source], size: Size | None = None) -> NDArray[np.uint8]:
        """Pictures (n, rows, columns, 3) as `encode` sees them."""
        images = read_pictures(pictures)
        if not images:
            raise InputError("pictures: expected one or more, got none")
        wanted = size or self.fitting((images[0].height, images[0].width))
        self.latent_size(wanted)
        if size is None and any(self.fitting((image.height, image.width)) != wanted for image in images):
            raise InputError(
                "pictures of different shapes do not make one batch; give size=, or encode them one by one"
            )
        resized = [image.resize((wanted[1], wanted[0]), Image.Resampling.LANCZOS) for image in images]
        return np.stack([np.asarray(image) for image in resized])

    def encode_values(self, values: Tensor) -> Tensor:
        """Latents of pictures (n, 3, h, w) in -1..1: the mean of the posterior, scaled."""
        return self._posterior(values)[0]

    def posterior(self, pictures: Source | Iterable[Source], size: Size | None = None) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (n, c, h, w) of the latents that pictures may have; `encode` gives the mean."""
        pixels = torch.from_numpy(self.pixels(pictures, size)).permute(0, 3, 1, 2)
        return self._posterior(pixels / 127.5 - 1)

    def _posterior(self, values: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            found = self.vae.encode(values.to(self._vae_device(), self.vae.dtype)).latent_dist
        scale = self.vae.config.scaling_factor
        mean, spread = (_finite(part.float() * scale, "the VAE's encoder") for part in (found.mean, found.std))
        return mean.to(self.device), spread.to(self.device)

    def decode(self, latents: Tensor) -> list[Image.Image]:
        """Pictures of latents."""
        with torch.no_grad():
            values = self.decode_values(latents)
        pixels = ((values.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        return [Image.fromarray(picture) for picture in pixels]

    def decode_values(self, latents: Tensor) -> Tensor:
        """Pictures (n, 3, h, w), about -1..1, with gradient if latents have one."""
        scaled = (latents / self.vae.config.scaling_factor).to(self._vae_device(), self.vae.dtype)
        return _finite(self.vae.decode(scaled).sample.float(), "the VAE's decoder")

    # Prompts

    def embed(self, prompts: str | Sequence[str], size: Size | None = None, *, gradient: bool = False) -> Context:
        """The context of prompts, one row each, for pictures of `size`; with `gradient`, to the vectors of words that
        are learned, and to weights that take one.
        """
        texts = [prompts] if isinstance(prompts, str) else list(prompts)
        if not texts or not all(isinstance(text, str) for text in texts):
            raise InputError(f"prompts: expected one string or several, got {prompts!r:.60}")
        cut = [[encoder.cut(text) for text in texts] for encoder in self.texts]
        each = list(zip(self.texts, cut, strict=True))
        with torch.set_grad_enabled(gradient):
            read = [encoder.read(tokens, self._text_device(encoder)) for encoder, tokens in each]
            context = Context(_side_by_side([states for states, _ in read], self.device), tuple(zip(*cut, strict=True)))
            if any(encoder.places_in(one) for encoder, tokens in each for one in tokens):
                apart = [
                    encoder.read_placed(tokens, self._text_device(encoder), len(self.places))
                    for encoder, tokens in each
                ]
                context = context.with_placed(_side_by_side(apart, self.device))
        return self._complete(context, read[-1][1], size or self.size)

    def unconditional(self, count: int = 1, size: Size | None = None) -> Context:
        """The context of no prompt at all."""
        context = self.embed([""] * count, size)
        return context.zeroed() if self.empty_is_zero else context

    def _complete(self, context: Context, pooled: Tensor | None, size: Size) -> Context:
        """Whatever else a family wants to know."""
        del pooled, size
        return context

    @property
    def places(self) -> tuple[Site, ...]:
        """Where the network reads its prompt, in the order of execution."""
        return tuple(site for site in self.sites.values() if site.kind == "text")

    def knowing(self, *words: LearnedWord) -> Backbone:
        """The same model, whose prompts may hold these words; nothing of this one is changed."""
        for word in words:
            self.refuse_unfit(word)
        texts = [
            encoder.knowing(words, [word.vectors[number] for word in words])
            for number, encoder in enumerate(self.texts)
        ]
        calibration = dict(self.calibration)
        if "vocabulary" in calibration:
            calibration["vocabulary"] = [*calibration["vocabulary"], *(word.name for word in words)]
        own = {"texts": tuple(texts), "calibration": calibration, "learned": (*self.learned, *words)}
        return type(self)(**{**vars(self), **own})

    def relearning(self, *words: LearnedWord) -> Backbone:
        """The same model with other vectors for words that it knows: as many for each, or fewer."""
        texts = list(self.texts)
        for word in words:
            self.refuse_unfit(word)
            (known,) = (one for one in self.learned if one.name == word.name)
            assert word.tokens <= known.tokens, f"{word.name}: {known.tokens} tokens are known, not {word.tokens}"
            texts = [one.relearning(word.name, own) for one, own in zip(texts, word.vectors, strict=True)]
        return type(self)(**{**vars(self), "texts": tuple(texts)})

    def refuse_unfit(self, word: LearnedWord) -> None:
        """Raise for a word that was learned on another kind of model."""
        widths = [encoder.model.get_input_embeddings().embedding_dim for encoder in self.texts]
        given = [vectors.shape[-1] for vectors in word.vectors]
        if given != widths:
            raise InputError(
                f"{word.name}: it has vectors of {_listed(given)}, tokens of {self.name} have {_listed(widths)}; it "
                "was learned on another kind of model"
            )
        if word.places not in (None, len(self.places)):
            raise InputError(
                f"{word.name}: it has vectors for {word.places} places, {self.name} reads its prompt at "
                f"{len(self.places)}; it was learned on another kind of model"
            )

    # The network

    def denoise(
        self, latents: Tensor, t: int | Tensor, context: Context, moment: Moment | None = None, **extra: Any
    ) -> Tensor:
        """The noise in `latents` (n, c, h, w) at timestep `t`, by the UNet; n rows of context. Open taps take part.

        `extra` goes to the UNet: `added_cond_kwargs={"image_embeds": ...}` for an image adapter, for one.
        """
        times = torch.as_tensor(t, device=latents.device).expand(len(latents))
        return self.levels.noise_of(
            self.estimate(latents, times, context, moment, **extra), latents, times, self.prediction
        )

    def estimate(
        self, latents: Tensor, times: Tensor, context: Context, moment: Moment | None = None, **extra: Any
    ) -> Tensor:
        """The same as the network says it, noise or velocity, at timesteps (n,)."""
        if len(context) != len(latents):
            raise InputError(f"context: expected {len(latents)} rows, one for each latent, got {len(context)}")
        with at_moment(moment or now_or(latents)), self._placed(context):
            raw = self.unet(
                latents.to(self.dtype),
                times,
                encoder_hidden_states=context.states.to(self.dtype),
                **self._told(context, extra),
            ).sample
        return raw.float()

    @contextmanager
    def _placed(self, context: Context) -> Iterator[None]:
        """While open, each text attention reads states of its own, where a context has such."""
        if context.placed is None:
            yield
            return
        placed = context.placed.to(self.dtype)

        def own(place: int) -> Callable[[View], Tensor]:
            return lambda view: placed[list(view.writes), place]

        writes = [
            Write(site.name, "context", own(place), name="a prompt that differs from place to place")
            for place, site in enumerate(self.places)
        ]
        with tapped(self.sites, *writes):
            yield

    def _told(self, context: Context, extra: Mapping[str, Any]) -> dict[str, Any]:
        """All that the UNet is given beside states: what the family wants to know, and `extra`."""
        added = {**self._added(context), **extra.get("added_cond_kwargs", {})}
        return {**extra, "added_cond_kwargs": added} if added else dict(extra)

    def _added(self, context: Context) -> dict[str, Any]:
        """What a family adds to the timestep."""
        del context
        return {}

    def copy(self, *, shared: bool = False, texts: bool = False) -> Backbone:
        """The same model with a UNet of its own, and with `texts` text encoders of its own, to be changed at will; or
        with layers of its own on the same weights, if they are `shared`, and LoRAs of its own beside them.
        """
        from innerlight.backbones.sites import sites_of

        def other(network: Any) -> Any:
            weights = (*network.named_parameters(), *network.named_buffers()) if shared else ()
            return deepcopy(network, {id(one): one for name, one in weights if ".lora_" not in name})

        own = {"unet": (unet := other(self.unet)), "sites": sites_of(unet)}
        if texts:
            own["texts"] = tuple(replace(encoder, model=other(encoder.model)) for encoder in self.texts)
        return type(self)(**{**vars(self), **own})

    def _vae_device(self) -> torch.device:
        return _place(self.vae, self.device)

    def _text_device(self, encoder: TextEncoder) -> torch.device:
        return _place(encoder.model, self.device)


def now_or(latents: Tensor) -> Moment:
    """The moment that was told, if it is about this many rows; else one that names no row."""
    from innerlight.taps import Rows

    moment = now()
    return moment if len(moment.rows) == len(latents) else Moment(rows=Rows(images=len(latents)))


def atlas(backbone: Backbone) -> Sites:
    """All places of a model where something can be read or replaced, with grid, width, heads, kind and the roles that
    methods ask for; printed, it is a table.
    """
    return backbone.sites


def widen_input(backbone: Backbone, channels: int) -> Backbone:
    """A copy whose UNet takes `channels` more; they count for nothing until they are trained."""
    wider = backbone.copy()
    old = wider.unet.conv_in
    new = nn.Conv2d(
        old.in_channels + channels, old.out_channels, old.kernel_size, padding=old.padding, bias=old.bias is not None
    )
    with torch.no_grad():
        new.weight.zero_()
        new.weight[:, : old.in_channels] = old.weight
        if new.bias is not None:
            new.bias.copy_(old.bias)
    wider.unet.conv_in = new.to(old.weight)
    wider.unet.register_to_config(in_channels=old.in_channels + channels)
    return wider


def _place(module: Any, default: torch.device) -> torch.device:
    place = getattr(getattr(module, "_hf_hook", None), "execution_device", None)
    return (
        torch.device(place) if place is not None else next(module.parameters(), torch.empty(0, device=default)).device
    )


def _side_by_side(states: Sequence[Tensor], device: torch.device) -> Tensor:
    """What several encoders say of one prompt, as one width."""
    return torch.cat([one.to(device) for one in states], dim=-1)


def _listed(numbers: Sequence[int]) -> str:
    return " and ".join(map(str, numbers))


def _finite(values: Tensor, who: str) -> Tensor:
    if not torch.isfinite(values).all():
        raise NotFiniteError(f"{who} gave values that are no numbers; in half precision use float32: load(dtype=...)")
    return values
