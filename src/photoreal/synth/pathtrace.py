"""The adapter to Mitsuba 3: a room becomes its scene, rays become radiance. The only file that knows Mitsuba and OIDN.

Needs the `synth` extra and either an NVIDIA GPU or an LLVM library (DRJIT_LIBLLVM_PATH, or Debian's libllvm19).
"""

import glob
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from photoreal.core import MissingDependencyError, require
from photoreal.synth.reading_room import Light, Room
from photoreal.synth.shapes import Mesh, Thing

Pixels = Float[np.ndarray, "H W 3"]

LLVM_PATTERNS = ("/usr/lib/*/libLLVM-19.so*", "/usr/lib/llvm-19/lib/libLLVM*.so*")


@dataclass(frozen=True)
class Radiance:
    """What one camera receives, before any response of film or sensor."""

    colour: Pixels
    """Linear light with sRGB primaries."""
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

    def radiance(self, origin: Float[np.ndarray, " 3"], corners: Pixels, *, samples: int, seed: int) -> Radiance:
        """Light that arrives at the origin through pixels, averaged over `samples` jittered rays each.

        `corners` holds world rays through the corners of the pixels, one row and one column more than the image; rays
        inside a pixel are their bilinear mix. Colour, albedo and normals are noisy; see `denoised`.
        """
        batch = max(1, min(samples, round(2_500_000 / corners[..., 0].size)))
        rounds = max(1, round(samples / batch))
        total = np.zeros((3, (corners.shape[0] - 1) * (corners.shape[1] - 1), 3))
        for index in range(rounds):
            total += self._pass(origin, corners, batch, seed + index)
        shape = (corners.shape[0] - 1, corners.shape[1] - 1, 3)
        colour, albedo, normal = (part.reshape(shape).astype(np.float32) for part in total / rounds)
        return Radiance(colour, albedo, normal)

    def _pass(self, origin: np.ndarray, corners: Pixels, batch: int, seed: int) -> np.ndarray:
        mi, dr = self._mi, self._dr
        rng = np.random.default_rng(seed)
        height, width = corners.shape[0] - 1, corners.shape[1] - 1
        u, v = (rng.random((batch, height, width, 1), dtype=np.float32) for _ in range(2))
        top = corners[:-1, :-1] * (1 - u) + corners[:-1, 1:] * u
        bottom = corners[1:, :-1] * (1 - u) + corners[1:, 1:] * u
        rays = (top * (1 - v) + bottom * v).reshape(-1, 3)
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        sampler = mi.load_dict({"type": "independent"})
        sampler.seed(seed, len(rays))
        ray = mi.RayDifferential3f(mi.Ray3f(mi.Point3f(*origin.tolist()), self._vector(rays)))
        found = self._scene.ray_intersect(ray)
        albedo = found.bsdf(ray).eval_diffuse_reflectance(found, found.is_valid())
        normal = dr.select(found.is_valid(), found.sh_frame.n, mi.Normal3f(0))
        colour, _, _ = self._integrator.sample(self._scene, sampler, ray)
        dr.eval(colour, albedo, normal)
        parts = [np.array(part).T.reshape(batch, -1, 3).mean(0) for part in (colour, albedo, normal)]
        return np.nan_to_num(np.stack(parts))

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
    """The colour without sampling noise (Intel Open Image Denoise, guided by albedo and normals).

    Raises:
        MissingDependencyError: pyoidn is not installed.
    """
    oidn = require("pyoidn", extra="synth")
    return np.asarray(oidn.denoise(radiance.colour, albedo=radiance.albedo, normal=radiance.normal, hdr=True))


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
                "Mitsuba found neither a GPU nor an LLVM library; run: apt-get install libllvm19, or set DRJIT_LIBLLVM_PATH"
            ) from error
    return mitsuba
