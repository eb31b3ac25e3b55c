"""The network's nine numbers a camera, and cameras: translation, quaternion xyzw, two fields of view.

Both sides have OpenCV axes and cam_from_world. The optical axis goes through the middle of the image. About half a
pixel: the network was trained with a principal point of (width / 2, height / 2), where its authors' code that turns
depth into points counts pixels from the first one's centre. Our first centre is (0.5, 0.5), so that the same numbers
put the axis exactly in the middle of the image, and a pixel's ray differs from theirs by half a pixel (0.1 % of the
width at 518 pixels), the same in all images. What they call pixel u is ours with intrinsics whose principal point is
half a pixel further; the tests hold this against their numbers.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from photoreal.core import Cameras, matrix_from_quaternion, quaternion_from_matrix, rigid

_LEAST_VIEW, _WIDEST_VIEW = math.radians(0.5), math.radians(179.0)


def cameras_from_encoding(encoding: Float[Tensor, "V 9"], size: tuple[int, int]) -> Cameras:
    """The cameras of images of `size` (height, width).

    A field of view outside 0.5 to 179 degrees, which the network can say and no lens has, is taken as the nearer end.
    """
    height, width = size
    translation, quaternion, view = encoding.split((3, 4, 2), dim=-1)
    half = (view.clamp(_LEAST_VIEW, _WIDEST_VIEW) / 2).tan()
    intrinsics = encoding.new_zeros(len(encoding), 3, 3)
    intrinsics[:, 0, 0], intrinsics[:, 1, 1] = width / 2 / half[:, 1], height / 2 / half[:, 0]
    intrinsics[:, 0, 2], intrinsics[:, 1, 2], intrinsics[:, 2, 2] = width / 2, height / 2, 1.0
    wxyz = quaternion.roll(1, dims=-1)
    return Cameras(rigid(matrix_from_quaternion(wxyz), translation), intrinsics, size)


def encoding_from_cameras(cameras: Cameras) -> Float[Tensor, "V 9"]:
    """The encoding of cameras whose axis goes through the middle of the image; of others, it keeps the focal lengths.

    The quaternion is of norm 1, its last component at least 0.
    """
    height, width = cameras.size
    focal = torch.diagonal(cameras.intrinsics, dim1=1, dim2=2)[:, :2]
    half = focal.new_tensor([height / 2, width / 2]) / focal.flip(-1)
    wxyz = quaternion_from_matrix(cameras.cam_from_world[:, :3, :3])
    return torch.cat([cameras.cam_from_world[:, :3, 3], wxyz.roll(-1, dims=-1), 2 * half.atan()], dim=-1)
