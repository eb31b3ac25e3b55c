"""One view drawn by the kernels, in buffers that are used again for the next one."""

from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
import torch
from numpy.typing import NDArray

from photoreal.core import Cameras
from photoreal.splat.kernels.binning import (
    SHARES,
    TILE_HEIGHT,
    TILE_WIDTH,
    deal_tiles,
    gather_visible,
    sort_by_depth,
    sort_pairs,
)
from photoreal.splat.kernels.blocks import CHUNKS, aligned_empty
from photoreal.splat.kernels.compositing import composite, composite_backward
from photoreal.splat.kernels.lanes import LANES
from photoreal.splat.kernels.projection import RECORD, project
from photoreal.splat.renders import MARGIN

FloatArray = NDArray[np.float32]
Counts = tuple[int, int, int, int]
"""Rows of a block, then opacity harmonics, stored colour harmonics and used colour harmonics of a Gaussian."""

NOT_SMOOTHED: FloatArray = np.empty(0, np.float32)


@dataclass
class Frame:
    """Gaussians projected, sorted into tiles and composited for one view; `draw` overwrites what was there before."""

    buffers: dict[str, NDArray[Any]] = field(default_factory=dict)
    room: int = 1024
    """Pairs that one chunk can hold."""
    size: tuple[int, int] = (0, 0)
    """Height and width of the view."""
    padded: tuple[int, int] = (0, 0)
    """The same in whole tiles."""
    blocks: int = 0
    """Blocks of Gaussians that were drawn."""
    features: int = 3
    """3 = colour alone; 8 = with depth, normal and squared depth."""
    opaque: float = 4e-6
    """What lies behind all but this share of the light is left out; Kerbl et al. 2023 have 1e-4."""

    def array(self, name: str, length: int, kind: type[np.generic] = np.float32) -> NDArray[Any]:
        """The first `length` elements of a buffer, whose content is whatever was there."""
        buffer = self.buffers.get(name)
        if buffer is None or len(buffer) < length:
            buffer = self.buffers[name] = aligned_empty(max(length, 1) * 9 // 8, kind)
        return buffer[:length]

    def draw(
        self,
        blocks: FloatArray,
        counts: Counts,
        camera: FloatArray,
        size: tuple[int, int],
        features: int,
        smoothing: FloatArray = NOT_SMOOTHED,
    ) -> None:
        """Fill `planes`: the features over black, then the transmittance; and the median where there are 8 features.

        `smoothing`: a variance that is added to each Gaussian's own, in squared world units.
        """
        self.size, self.features, self.blocks = size, features, len(blocks)
        self.padded = (-(-size[0] // TILE_HEIGHT) * TILE_HEIGHT, -(-size[1] // LANES) * LANES)
        self._sort(self._project(blocks.reshape(-1), counts, camera, smoothing))
        self.composite()

    def _project(self, numbers: FloatArray, counts: Counts, camera: FloatArray, smoothing: FloatArray) -> int:
        used = np.empty(CHUNKS, np.int32)
        count, blocks, first = self.blocks * LANES, self.blocks, self.first
        record, depth = self.array("record", count * RECORD), self.array("depth", count)
        while True:
            room = self.room
            tiles, rows = (self.array(name, CHUNKS * room, np.int32) for name in ("tiles", "rows"))
            project(
                numbers, blocks, counts, camera, self.size, smoothing, room, record, depth, first, tiles, rows, used
            )
            most = int(used.max())
            if most <= room:
                return int(used.sum())
            self.room = most * 5 // 4 + 64

    def _sort(self, pairs: int) -> None:
        count = self.blocks * LANES
        order, spare = (self.array(name, count, np.int32) for name in ("order", "spare"))
        keys, spare_keys = (self.array(name, count, np.uint32) for name in ("keys", "spare keys"))
        visible = gather_visible(self.first, order)
        order = sort_by_depth(order, visible, self.buffers["depth"], spare, keys, spare_keys)
        tile_count = self.padded[0] * self.padded[1] // (TILE_HEIGHT * TILE_WIDTH)
        tile_start = self.array("tile start", tile_count + 1, np.int32)
        gaussian, tile_rows, origin = (
            self.array(name, pairs + 1, np.int32) for name in ("gaussian", "tile rows", "origin")
        )
        histogram = self.array("histogram", SHARES * tile_count, np.int32).reshape(SHARES, tile_count)
        sort_pairs(
            order, visible, self.first, self.buffers["tiles"], self.buffers["rows"], histogram, tile_start, gaussian,
            tile_rows, origin,
        )  # fmt: skip
        self.array("dealt", tile_count, np.int32)[:] = deal_tiles(tile_start, numba.get_num_threads())

    def composite(self) -> None:
        """Composite the Gaussians that `draw` sorted."""
        (height, stride), tiles = self.padded, len(self._tile_start) - 1
        plane = height * stride
        median = self.array("median", plane if self.features > 3 else 0)
        median[:] = -1
        composite(
            self.array("dealt", tiles, np.int32), stride // TILE_WIDTH, plane, stride, self._tile_start,
            self.buffers["gaussian"], self.buffers["tile rows"], self.buffers["record"], self.features,
            np.float32(self.opaque), self.array("planes", (self.features + 1) * plane), median,
            self.array("used", tiles, np.int32),
        )  # fmt: skip

    @property
    def _tile_start(self) -> NDArray[np.int32]:
        return self.buffers["tile start"][: self.padded[0] * self.padded[1] // (TILE_HEIGHT * TILE_WIDTH) + 1]

    @property
    def first(self) -> NDArray[np.int32]:
        """Where the pairs of each Gaussian begin and end."""
        return self.array("first", 2 * self.blocks * LANES, np.int32).reshape(-1, 2)

    @property
    def pairs(self) -> int:
        """How many (tile, Gaussian) pairs there are."""
        return int(self._tile_start[-1])

    @property
    def planes(self) -> FloatArray:
        """Features, then transmittance; padded to whole tiles."""
        shape = (self.features + 1, *self.padded)
        return self.array("planes", int(np.prod(shape))).reshape(shape)

    @property
    def median(self) -> FloatArray:
        """Number of each pixel's median Gaussian, -1 for none; padded to whole tiles."""
        return self.array("median", self.padded[0] * self.padded[1]).reshape(self.padded)

    def pair_gradients(self, gradient: FloatArray) -> FloatArray:
        """Gradients of all pairs, from planes as `composite_backward` takes them; a place for each pair."""
        stride, tiles = self.padded[1], len(self._tile_start) - 1
        pairs = self.array("pair gradient", CHUNKS * self.room * RECORD)
        composite_backward(
            self.array("dealt", tiles, np.int32), stride // TILE_WIDTH, self.padded[0] * stride, stride,
            self._tile_start, self.buffers["gaussian"], self.buffers["tile rows"], self.buffers["record"],
            self.features, gradient.reshape(-1), self.array("used", tiles, np.int32), self.buffers["origin"], pairs,
        )  # fmt: skip
        return pairs


def camera_numbers(camera: Cameras, *, antialiased: bool = False) -> FloatArray:
    """The first camera as the kernels take it."""
    pose, k = (t[0].detach().to(torch.float64).numpy() for t in (camera.cam_from_world, camera.intrinsics))
    height, width = camera.size
    fx, fy, cx, cy = k[0, 0], k[1, 1], k[0, 2], k[1, 2]
    extra_x, extra_y = MARGIN * 0.5 * width / fx, MARGIN * 0.5 * height / fy
    clamps = [-cx / fx - extra_x, (width - cx) / fx + extra_x, -cy / fy - extra_y, (height - cy) / fy + extra_y]
    numbers = [pose[:3, :3].ravel(), pose[:3, 3], [fx, fy, cx, cy], clamps, [float(antialiased)]]
    return np.concatenate(numbers).astype(np.float32)


def camera_of(numbers: FloatArray, size: tuple[int, int]) -> Cameras:
    """The camera whose `camera_numbers` these are."""
    pose, intrinsics = torch.eye(4), torch.eye(3)
    pose[:3, :3], pose[:3, 3] = torch.from_numpy(numbers[:9].reshape(3, 3)), torch.from_numpy(numbers[9:12])
    fx, fy, cx, cy = (float(n) for n in numbers[12:16])
    intrinsics[0, 0], intrinsics[1, 1], intrinsics[0, 2], intrinsics[1, 2] = fx, fy, cx, cy
    return Cameras(pose[None], intrinsics[None], size)
