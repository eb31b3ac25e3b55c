import torch
from balls import ball_depths, cameras_around

from photoreal.core import Depths
from photoreal.mesh.surface.confidence import confirmed, nearest_views

CAMERAS = cameras_around(32)
BALL = ball_depths(CAMERAS)


def test_true_depths_confirm_each_other() -> None:
    found = confirmed(BALL, CAMERAS)
    middle = found.confidence[:, 40:56, 40:56]
    assert float(middle.mean()) > 0.95
    assert torch.equal(found.confidence > 0, (found.confidence > 0) & (BALL.confidence > 0))


def test_a_depth_that_floats_in_front_is_contradicted() -> None:
    depth = BALL.depth.clone()
    depth[3, 44:52, 44:52] *= 0.95
    found = confirmed(Depths(depth, BALL.confidence), CAMERAS, alone=0.5)
    assert float(found.confidence[3, 45:51, 45:51].max()) < 0.1
    assert float(found.confidence[3, 30:40, 44:52].mean()) > 0.9


def test_what_only_one_view_sees_counts_as_said() -> None:
    away = torch.diag(torch.tensor([-1.0, 1, -1, 1]))
    turned = CAMERAS.replace(cam_from_world=torch.cat([CAMERAS.cam_from_world[:1], away @ CAMERAS.cam_from_world[1:]]))
    found = confirmed(BALL, turned, alone=0.25)
    assert torch.allclose(found.confidence[0], 0.25 * BALL.confidence[0])


def test_what_is_far_is_background() -> None:
    depth = BALL.depth.clone()
    depth[:, :10] = 50.0
    confidence = BALL.confidence.clone()
    confidence[:, :10] = 1.0
    found = confirmed(Depths(depth, confidence), CAMERAS)
    assert bool(found.depth[:, :9].isinf().all())
    assert float(found.confidence[:, :9].min()) == 1
    assert float(found.confidence[:, 9].max()) == 0  # beside what is nearer


def test_a_view_that_sees_past_everything_contradicts() -> None:
    depth, confidence = BALL.depth.clone(), torch.zeros_like(BALL.confidence)
    depth[3], confidence[3] = 3.0, 1.0
    silent = confirmed(Depths(depth, confidence), CAMERAS, alone=0.5)
    assert bool((silent.confidence[3] == 0.5).all())
    others = torch.arange(len(CAMERAS)) != 3
    depth[others], confidence[others] = torch.inf, 1.0
    found = confirmed(Depths(depth, confidence), CAMERAS, alone=0.5)
    assert float((found.confidence[3] == 0).float().mean()) > 0.9
    assert bool((found.confidence[others] == 1).all())


def test_neighbours_look_alike() -> None:
    near = nearest_views(CAMERAS, 4)
    assert near.shape == (32, 4)
    centres = CAMERAS.centres
    assert all(i not in near[i].tolist() for i in range(32))
    distance = torch.cdist(centres, centres)
    assert float(distance.gather(1, near).mean()) < float(distance.mean())
