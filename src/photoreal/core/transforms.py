"""Rotations, rigid motions (SE3) and similarities (Sim3), named target_from_source and composed by `@`."""

import torch
from jaxtyping import Float
from torch import Tensor


def matrix_from_quaternion(quaternion: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrix of a wxyz quaternion of any norm > 0."""
    w, x, y, z = torch.nn.functional.normalize(quaternion, dim=-1).unbind(-1)
    rows = [
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    ]  # fmt: skip
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def quaternion_from_matrix(rotation: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit wxyz quaternion with w >= 0 of a rotation matrix.

    The largest of the four components is found first and divides the others (Shepperd 1978), so no angle is badly
    conditioned.
    """
    m = rotation
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    w, x, y, z = trace, *(2 * m[..., i, i] - trace for i in range(3))
    a, b, c = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    d, e, f = m[..., 1, 0] + m[..., 0, 1], m[..., 0, 2] + m[..., 2, 0], m[..., 2, 1] + m[..., 1, 2]
    candidates = torch.stack(
        [
            torch.stack([1 + w, a, b, c], -1),
            torch.stack([a, 1 + x, d, e], -1),
            torch.stack([b, d, 1 + y, f], -1),
            torch.stack([c, e, f, 1 + z], -1),
        ],
        dim=-2,
    )
    best = torch.stack([w, x, y, z], -1).argmax(-1)
    chosen = torch.take_along_dim(candidates, best[..., None, None].expand(*best.shape, 1, 4), dim=-2).squeeze(-2)
    unit = torch.nn.functional.normalize(chosen, dim=-1)
    return torch.where(unit[..., :1] < 0, -unit, unit)


def rotation_from_vector(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation by |vector| radians about vector (Rodrigues' formula, differentiable at 0)."""
    return torch.linalg.matrix_exp(skew(vector))


def skew(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The matrix whose product with u is the cross product vector x u."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=-1).unflatten(-1, (3, 3))


def rigid(rotation: Float[Tensor, "*batch 3 3"], translation: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 4 4"]:
    """The 4x4 matrix [R t; 0 1]; with a scaled rotation it is a similarity."""
    top = torch.cat([rotation, translation[..., None]], dim=-1)
    bottom = top.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(*top.shape[:-2], 1, 4)
    return torch.cat([top, bottom], dim=-2)


def invert_rigid(target_from_source: Float[Tensor, "*batch 4 4"]) -> Float[Tensor, "*batch 4 4"]:
    """source_from_target of a rigid motion, without a general inverse."""
    transposed = target_from_source[..., :3, :3].transpose(-1, -2)
    return rigid(transposed, -(transposed @ target_from_source[..., :3, 3:]).squeeze(-1))


def transform_points(target_from_source: Float[Tensor, "4 4"], points: Float[Tensor, "*n 3"]) -> Float[Tensor, "*n 3"]:
    """Points in the target frame; works for rigid motions and similarities."""
    return points @ target_from_source[:3, :3].T + target_from_source[:3, 3]


def fit_similarity(source: Float[Tensor, "N 3"], target: Float[Tensor, "N 3"]) -> Float[Tensor, "4 4"]:
    """The similarity target_from_source that minimises the squared distances (Umeyama 1991, eq. 40-43); N >= 3."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    source_centred, target_centred = source - source_mean, target - target_mean
    u, singular, vh = torch.linalg.svd(target_centred.T @ source_centred / len(source))
    sign = torch.ones_like(singular)
    sign[-1] = torch.sign(torch.linalg.det(u) * torch.linalg.det(vh))
    rotation = u @ torch.diag(sign) @ vh
    scale = (singular * sign).sum() / source_centred.square().sum(-1).mean()
    return rigid(scale * rotation, target_mean - scale * rotation @ source_mean)


def similarity_scale(target_from_source: Float[Tensor, "4 4"]) -> float:
    """How long a length of 1 becomes by a similarity."""
    return float(torch.linalg.det(target_from_source[:3, :3]).abs() ** (1 / 3))


def turned_cameras(
    cam_from_world: Float[Tensor, "V 4 4"], new_from_world: Float[Tensor, "4 4"]
) -> Float[Tensor, "V 4 4"]:
    """The same cameras in the world that a similarity leads to; camera axes keep their unit length."""
    scale = similarity_scale(new_from_world)
    rotation = new_from_world[:3, :3] / scale
    rotations = cam_from_world[:, :3, :3] @ rotation.T
    translations = scale * cam_from_world[:, :3, 3] - (rotations @ new_from_world[:3, 3:]).squeeze(-1)
    return rigid(rotations, translations)


def look_at(
    centre: Float[Tensor, "*batch 3"], target: Float[Tensor, "*batch 3"], up: Float[Tensor, " 3"]
) -> Float[Tensor, "*batch 4 4"]:
    """cam_from_world of a camera at `centre` that looks at `target`, with world direction `up` upwards in the image.

    A camera that looks straight along `up` is turned about its axis in some way that is not specified.
    """
    forward = torch.nn.functional.normalize(target - centre, dim=-1)
    across = torch.linalg.cross(forward, torch.nn.functional.normalize(up, dim=-1).expand_as(forward))
    farthest_axis = torch.nn.functional.one_hot(forward.abs().argmin(-1), 3).to(forward)
    along_up = across.norm(dim=-1, keepdim=True) < 1e-5
    right = torch.where(along_up, torch.linalg.cross(forward, farthest_axis), across)
    down = torch.nn.functional.normalize(torch.linalg.cross(forward, right), dim=-1)
    # Anew from the other two: beside `up`, rounding would leave the first one askew.
    right = torch.linalg.cross(down, forward)
    world_from_cam = rigid(torch.stack([right, down, forward], dim=-1), centre)
    return invert_rigid(world_from_cam)
