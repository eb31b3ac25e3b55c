"""The adapter to Mitsuba 3: a room becomes its scene, rays become radiance. The only file that knows Mitsuba and OIDN.

Needs the `synth` extra and either an NVIDIA GPU or an LLVM library (DRJIT_LIBLLVM_PATH, or Debian's libllvm19).
"""

import glob
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from photoreal.core import MissingDependencyError, require
from photoreal.synth.reading_room import Light, Room
from photoreal.synth.shapes import Mesh, Thing

Pixels = Float[np.ndarray, "H W 3"]

ALBEDO_FLOOR = 0.05
MOST_RAYS = 2_500_000
"""In flight at once; a path holds about 200 bytes."""

LLVM_PATTERNS = ("/usr/lib/*/libLLVM-19.so*", "/usr/lib/llvm-19/lib/libLLVM*.so*")


@dataclass(frozen=True)
class Radiance:
    """What one camera receives, before any response of film or sensor."""

    light: Pixels
    """Linear light with sRGB primaries, divided by the albedo and `ALBEDO_FLOOR`; noisy."""
    albedo: Pixels
    normal: Pixels


class Tracer:
    """A room loaded into Mitsuba, ready to answer rays.

    Raises:
        MissingDependencyError: mitsuba is not installed, or finds no compiler to run with.
    """

    def __init__(self, room: Room, *, max_depth: int = 6) -> None:
        self._mi = _mitsuba()
        self._dr = require("drjit", extra="synth")
        parts: dict[str, Any] = {"type": "scene"}
        for index, thing in enumerate(room.things):
            parts[f"thing_{index}"] = self._surface(thing)
        for index, light in enumerate(room.lights):
            parts[f"light_{index}"] = self._emitter(light)
        self._scene = self._mi.load_dict(parts)
        self._integrator = self._mi.load_dict({"type": "path", "max_depth": max_depth, "rr_depth": 4})

    def depth_of(self, origin: Float[np.ndarray, " 3"], rays: Pixels) -> Float[np.ndarray, "H W"]:
        """Multiples of each world ray at which it first meets something; infinite where it never does."""
        ray = self._mi.Ray3f(self._mi.Point3f(*origin.tolist()), self._vector(rays.reshape(-1, 3)))
        hit = self._scene.ray_intersect_preliminary(ray)
        return np.array(hit.t).reshape(rays.shape[:2])

    def blocked(
        self, origin: Float[np.ndarray, " 3"], targets: Float[np.ndarray, "N 3"], *, tolerance: float
    ) -> Bool[np.ndarray, " N"]:
        """Whether something lies between the origin and each target, not counting the last `tolerance` metres."""
        way = targets - origin
        distance = np.linalg.norm(way, axis=-1)
        ray = self._mi.Ray3f(self._mi.Point3f(*origin.tolist()), self._vector(way / distance[:, None]))
        ray.maxt = self._mi.Float(np.maximum(distance - tolerance, 0).astype(np.float32))
        return np.array(self._scene.ray_test(ray))

    def radiance(self, origin: Float[np.ndarray, " 3"], corners: Pixels, *, strata: int, seed: int) -> Radiance:
        """Light that arrives at the origin through pixels, by one path from each of `strata` squared parts of a pixel.

        `corners` holds world rays through the corners of the pixels, one row and one column more than the image; rays
        inside a pixel are their bilinear mix. Albedo and normals are averages of 16 rays a pixel.
        """
        shape = (corners.shape[0] - 1, corners.shape[1] - 1, 3)
        light = self._mean(corners, strata, seed, lambda rays, number: self._light(origin, rays, number))
        guides = self._mean(corners, 4, seed, lambda rays, _: self._guides(self._rays(origin, rays)))
        return Radiance(light.reshape(shape), guides[:, :3].reshape(shape), guides[:, 3:].reshape(shape))

    def _mean(
        self,
        corners: Pixels,
        strata: int,
        seed: int,
        measure: Callable[[Float[np.ndarray, "N 3"], int], Float[np.ndarray, "N C"]],
    ) -> Float[np.ndarray, "P C"]:
        """The average of what `measure` (of unit rays and a random number) says of the rays through each pixel."""
        height, width = corners.shape[0] - 1, corners.shape[1] - 1
        batch = max(1, MOST_RAYS // (height * width))
        rng = np.random.default_rng(seed)
        totals: list[np.ndarray] = []
        for start in range(0, strata**2, batch):
            part = np.arange(start, min(start + batch, strata**2))
            cell = np.stack([part % strata, part // strata])[:, :, None, None]
            u, v = ((cell + rng.random((2, len(part), height, width))) / strata)[..., None].astype(np.float32)
            top = corners[:-1, :-1] * (1 - u) + corners[:-1, 1:] * u
            bottom = corners[1:, :-1] * (1 - u) + corners[1:, 1:] * u
            rays = (top * (1 - v) + bottom * v).reshape(-1, 3)
            rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
            values = measure(rays, seed + start)
            totals.append(np.nan_to_num(values).reshape(len(part), height * width, -1).sum(0))
        return (np.sum(totals, axis=0) / strata**2).astype(np.float32)

    def _light(self, origin: Float[np.ndarray, " 3"], rays: Float[np.ndarray, "N 3"], seed: int) -> np.ndarray:
        """Radiance of single paths over the albedo that they meet first: no texture is left to be smoothed away."""
        sampler = self._mi.load_dict({"type": "independent"})
        sampler.seed(seed, len(rays))
        ray = self._rays(origin, rays)
        colour, _, _ = self._integrator.sample(self._scene, sampler, ray)
        return np.array(colour).T / (self._guides(ray)[:, :3] + ALBEDO_FLOOR)

    def _guides(self, ray: Any) -> Float[np.ndarray, "N 6"]:
        found = self._scene.ray_intersect(ray)
        albedo = found.bsdf(ray).eval_diffuse_reflectance(found, found.is_valid())
        normal = self._dr.select(found.is_valid(), found.sh_frame.n, self._mi.Normal3f(0))
        self._dr.eval(albedo, normal)
        return np.concatenate([np.clip(np.array(albedo).T, 0, 1), np.array(normal).T], axis=-1)

    def _rays(self, origin: Float[np.ndarray, " 3"], rays: Float[np.ndarray, "N 3"]) -> Any:
        mi = self._mi
        return mi.RayDifferential3f(mi.Ray3f(mi.Point3f(*origin.tolist()), self._vector(rays)))

    def _vector(self, values: Float[np.ndarray, "N 3"]) -> Any:
        columns = np.ascontiguousarray(values.T, dtype=np.float32)
        return self._mi.Vector3f(*(self._mi.Float(column) for column in columns))

    def _mesh(self, mesh: Mesh, properties: dict[str, Any]) -> Any:
        mi = self._mi
        holder = mi.Properties()
        for key, value in properties.items():
            holder[key] = mi.load_dict(value)
        result = mi.Mesh(
            "mesh",
            len(mesh.vertices),
            len(mesh.faces),
            has_vertex_normals=True,
            has_vertex_texcoords=True,
            props=holder,
        )
        parameters = mi.traverse(result)
        parameters["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
        parameters["vertex_normals"] = mesh.normals.astype(np.float32).ravel()
        # Mitsuba's texture rows run downwards from v = 0, ours upwards.
        parameters["vertex_texcoords"] = (mesh.uvs * [1, -1] + [0, 1]).astype(np.float32).ravel()
        parameters["faces"] = mesh.faces.astype(np.uint32).ravel()
        parameters.update()
        return result

    def _surface(self, thing: Thing) -> Any:
        finish = thing.finish
        uvs = thing.mesh.uvs / np.array(finish.tile)
        colour = np.round(np.clip(finish.picture, 0, 1) * 255).astype(np.uint8)
        material = {
            "type": "principled",
            "base_color": {"type": "bitmap", "bitmap": self._mi.Bitmap(np.ascontiguousarray(colour)), "raw": False},
            "roughness": finish.roughness,
            "specular": max(finish.specular, 0.02),
            "metallic": finish.metallic,
            "sheen": finish.sheen,
        }
        mesh = Mesh(thing.mesh.vertices, thing.mesh.normals, uvs, thing.mesh.faces)
        return self._mesh(mesh, {"bsdf": {"type": "twosided", "material": material}})

    def _emitter(self, light: Light) -> Any:
        radiance: dict[str, Any] = {"type": "rgb", "value": [float(value) for value in light.picture[0, 0]]}
        if np.ptp(light.picture.reshape(-1, 3), axis=0).max() > 0:
            radiance = {"type": "bitmap", "bitmap": self._mi.Bitmap(np.ascontiguousarray(light.picture)), "raw": True}
        emitter = {"type": "area", "radiance": radiance}
        return self._mesh(light.mesh, {"emitter": emitter, "bsdf": {"type": "diffuse", "reflectance": 0.0}})


def denoised(radiance: Radiance) -> Pixels:
    """The colour without sampling noise: light is smoothed by Intel Open Image Denoise and put back on the texture.

    Raises:
        MissingDependencyError: pyoidn is not installed.
    """
    oidn = require("pyoidn", extra="synth")
    light = oidn.denoise(radiance.light, albedo=radiance.albedo, normal=radiance.normal, hdr=True)
    return np.asarray(light) * (radiance.albedo + ALBEDO_FLOOR)


def _mitsuba() -> Any:
    if not os.environ.get("DRJIT_LIBLLVM_PATH"):
        found = sorted(path for pattern in LLVM_PATTERNS for path in glob.glob(pattern))
        if found:
            os.environ["DRJIT_LIBLLVM_PATH"] = found[0]
    mitsuba = require("mitsuba", extra="synth")
    if mitsuba.variant() is None:
        try:
            mitsuba.set_variant("cuda_ad_rgb", "llvm_ad_rgb")
        except ImportError as error:
            raise MissingDependencyError(
                "Mitsuba found no GPU and no LLVM library; run: apt-get install libllvm19, or set DRJIT_LIBLLVM_PATH"
            ) from error
    return mitsuba
