"""The training step in torch, for rasterizers on other devices: what `Trainer` does, by autograd and on whole tensors.

Between changes of density everything lives on the device; `fetch` brings it back into blocks.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from photoreal.core import Cameras, Gaussians, matrix_from_quaternion, pixel_rays, unit_from_bytes
from photoreal.splat.fitting.backdrop import EMPTY
from photoreal.splat.fitting.kernels.update import BETA1, BETA2, FAINT
from photoreal.splat.fitting.loss import photometric_loss
from photoreal.splat.fitting.optimise import Population, gaussians_of
from photoreal.splat.fitting.smoothing import smoothed_gaussians
from photoreal.splat.fitting.surface import surface_losses
from photoreal.splat.fitting.training import Rates, Targets, Trainer
from photoreal.splat.frame import camera_of
from photoreal.splat.harmonics import Y_0, harmonic_basis
from photoreal.splat.kernels.blocks import pack, unpack
from photoreal.splat.kernels.lanes import LANES


@runtime_checkable
class Draw(Protocol):
    """A differentiable rasterizer, as `draw_gsplat` is."""

    def __call__(
        self, gaussians: Gaussians, camera: Cameras, *, surfaces: bool
    ) -> tuple[Float[Tensor, "C H W"], Float[Tensor, "H W"], Bool[Tensor, " N"]]:
        """Features over nothing, transmittance, and which Gaussians were drawn, for the first camera."""
        ...


_FIELDS = ("means", "quaternions", "log_scales", "opacity_harmonics", "colour_harmonics")


@dataclass
class _Moving:
    """One field of all Gaussians under Adam."""

    value: Tensor
    mean: Tensor
    square: Tensor


@dataclass
class AutogradTrainer(Trainer):
    """`Trainer` around any differentiable `draw`."""

    draw: Draw = field(kw_only=True)
    device: str = field(kw_only=True)
    _fields: dict[str, _Moving] = field(init=False, default_factory=dict)
    _pulls: Tensor = field(init=False)
    _sightings: Tensor = field(init=False)
    _photos: tuple[Targets, Tensor, Tensor | None] | None = field(init=False, default=None)
    _generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._generator = torch.Generator(self.device).manual_seed(int(abs(self.noise[0]) * 2**20))
        super().__post_init__()
        self._load()

    def train(self, targets: Targets, view: int, colours: int, rates: Rates) -> float:
        """One step on one photo, with the first `colours` colour harmonics; returns the photometric loss."""
        leaves = {name: moving.value.clone().requires_grad_() for name, moving in self._fields.items()}
        used = leaves | {"colour_harmonics": leaves["colour_harmonics"][:, :colours]}
        camera = camera_of(targets.cameras[view], targets.size).to(self.device)
        affine = torch.from_numpy(self.exposures.value[view].reshape(3, 4)).to(self.device).requires_grad_()
        harmonics = torch.from_numpy(self.background.value.reshape(-1, 3)).to(self.device).requires_grad_()
        gaussians = Gaussians(**used, antialiased=self.population.antialiased)
        sums, transmittance, drawn = self.draw(self._as_drawn(gaussians), camera, surfaces=rates.surfaces)
        photo, kinds = self._photo(targets, view)
        nothing = torch.from_numpy(self.colour_of_nothing(targets)).to(self.device)[:, None, None]
        scene = sums[:3] + transmittance * torch.where(kinds == EMPTY, nothing, _sphere(harmonics, camera))
        seen = _exposed(scene, affine)
        photo = torch.where(kinds == EMPTY, _exposed(nothing, affine.detach()), photo)
        loss = photometric_loss(seen, photo, kinds > 0, dissimilarity=self.dissimilarity)
        self._forces(sums, transmittance, camera, kinds > 0, rates).add(loss).backward()
        self._note_need(leaves["means"], camera, drawn)
        self._penalty(leaves, drawn, rates).backward()
        self.step += 1
        self._adam(leaves, drawn, colours, rates)
        self._explore(drawn, rates.noise)
        self._learn_small(view, affine, harmonics if not targets.empty else None, rates)
        return float(loss.detach())

    def _forces(
        self, sums: Tensor, transmittance: Tensor, camera: Cameras, shown: Tensor, rates: Rates
    ) -> Float[Tensor, ""]:
        if not rates.surfaces:
            return sums.new_zeros(())
        distortion, disagreement = surface_losses(sums[3:], transmittance, camera, shown)
        return rates.distortion * distortion + rates.normals * disagreement

    def _as_drawn(self, gaussians: Gaussians) -> Gaussians:
        if self.sampled_by is None:
            return gaussians
        return smoothed_gaussians(gaussians, torch.from_numpy(self.smoothing[: len(gaussians)]).to(self.device))

    def fetch(self) -> Population:
        """The Gaussians and their moments as they are now, in blocks; `need` and `shown` with them."""
        values, mean, square = (
            pack(tuple(getattr(self._fields[name], part).cpu().numpy() for name in _FIELDS))
            for part in ("value", "mean", "square")
        )
        self.population = dataclasses.replace(self.population, values=values, mean=mean, square=square)
        count = self.population.count
        for moments in (mean, square):
            moments[-1, :, (count - 1) % LANES + 1 :] = 0
        self.need[:count], self.shown[:count] = self._pulls.cpu().numpy(), self._sightings.cpu().numpy()
        return self.population

    def settle(self) -> None:
        """After Gaussians were moved or added: sort them in space, and count need anew."""
        super().settle()
        self._load()

    def _load(self) -> None:
        population = self.population
        gaussians = gaussians_of(population)
        means, squares = (
            dict(zip(_FIELDS, unpack(m, population.count, population.opacity_count), strict=True))
            for m in (population.mean, population.square)
        )
        self._fields = {
            name: _Moving(
                getattr(gaussians, name).to(self.device),
                torch.from_numpy(means[name]).to(self.device),
                torch.from_numpy(squares[name]).to(self.device),
            )
            for name in _FIELDS
        }
        self._pulls, self._sightings = (
            torch.from_numpy(counted[: population.count].copy()).to(self.device) for counted in (self.need, self.shown)
        )

    def _photo(self, targets: Targets, view: int) -> tuple[Float[Tensor, "3 H W"], UInt8[Tensor, "H W"]]:
        if self._photos is None or self._photos[0] is not targets:
            masks = None if targets.masks is None else torch.from_numpy(targets.masks).to(self.device)
            self._photos = (targets, torch.from_numpy(targets.images).to(self.device), masks)
        (height, width), (_, images, masks) = targets.size, self._photos
        photo = unit_from_bytes(images[view, :, :, :width])
        if masks is None:
            return photo, torch.ones(height, width, dtype=torch.uint8, device=self.device)
        return photo, masks[view, :, :width]

    def _note_need(self, means: Tensor, camera: Cameras, drawn: Tensor) -> None:
        """What density goes by, as in `fitting.kernels.update.note_need`."""
        assert means.grad is not None
        away = (means.detach() - camera.centres[0]).norm(dim=1)
        self._pulls += torch.where(drawn, means.grad.norm(dim=1) * away, torch.zeros_like(away))
        self._sightings += drawn

    def _penalty(self, leaves: dict[str, Tensor], drawn: Tensor, rates: Rates) -> Tensor:
        opacity = torch.sigmoid(leaves["opacity_harmonics"][:, 0] * Y_0)
        scales = leaves["log_scales"].exp().sum(1) / 3
        weighted = rates.opacity_penalty * opacity + rates.scale_penalty * scales
        return (weighted * drawn).sum() / len(drawn)

    def _adam(self, leaves: dict[str, Tensor], drawn: Tensor, colours: int, rates: Rates) -> None:
        """One step for the Gaussians that were drawn (Mallick et al. 2024)."""
        by_harmonic = torch.full((leaves["colour_harmonics"].shape[1], 1), rates.colours / 20, device=self.device)
        by_harmonic[0], by_harmonic[colours:] = rates.colours, 0
        of_field = (rates.means, rates.rotations, rates.scales, rates.opacities, by_harmonic)
        c1, c2 = 1 / (1 - BETA1**self.step), 1 / (1 - BETA2**self.step)
        for name, rate in zip(_FIELDS, of_field, strict=True):
            moving, gradient = self._fields[name], leaves[name].grad
            assert gradient is not None
            shown = drawn.view(-1, *[1] * (gradient.dim() - 1))
            if name == "colour_harmonics":
                shown = shown & (torch.arange(gradient.shape[1], device=self.device) < colours)[:, None]
            mean = BETA1 * moving.mean + (1 - BETA1) * gradient
            square = BETA2 * moving.square + (1 - BETA2) * gradient**2
            step = rate * c1 * mean / ((square * c2).sqrt() + 1e-15)
            moving.mean = torch.where(shown, mean, moving.mean)
            moving.square = torch.where(shown, square, moving.square)
            moving.value = torch.where(shown, moving.value - step, moving.value)

    def _explore(self, drawn: Tensor, weight: float) -> None:
        """Move faint Gaussians at random, by noise shaped as they are (Kheradmand et al. 2024, eq. 8)."""
        if weight <= 0:
            return
        means = self._fields["means"]
        opacity = torch.sigmoid(self._fields["opacity_harmonics"].value[:, 0] * Y_0)
        share = torch.where(drawn & (opacity < FAINT), torch.sigmoid((0.005 - opacity) * 100) * weight, 0 * opacity)
        axes = matrix_from_quaternion(self._fields["quaternions"].value)
        variances = (2 * self._fields["log_scales"].value).exp()
        white = torch.randn(means.value.shape, generator=self._generator, device=self.device)
        along = (axes.transpose(1, 2) @ white[..., None])[..., 0] * variances
        means.value = means.value + (axes @ along[..., None])[..., 0] * share[:, None]

    def _learn_small(self, view: int, affine: Tensor, harmonics: Tensor | None, rates: Rates) -> None:
        if rates.background > 0 and harmonics is not None and harmonics.grad is not None:
            self.background.update(0, harmonics.grad.flatten().cpu().numpy().astype(np.float64), rates.background)
        if rates.exposures > 0 and affine.grad is not None:
            self.learn_exposure(view, affine.grad.flatten().cpu().numpy().astype(np.float64), rates.exposures)


def _exposed(colours: Float[Tensor, "3 h w"], affine: Float[Tensor, "3 4"]) -> Float[Tensor, "3 h w"]:
    """Colours as a photo records them."""
    return (affine[:, :3] @ colours.flatten(1) + affine[:, 3:]).view(colours.shape)


def _sphere(harmonics: Float[Tensor, "K 3"], camera: Cameras) -> Float[Tensor, "3 H W"]:
    """The background, exact at every pixel."""
    rays = torch.nn.functional.normalize(pixel_rays(camera)[0] @ camera.cam_from_world[0, :3, :3], dim=-1)
    return (0.5 + harmonic_basis(rays, len(harmonics)) @ harmonics).permute(2, 0, 1)
