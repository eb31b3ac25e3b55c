import torch
import trimesh
from balls import ball_mesh, cameras_around
from trimesh.ray.ray_pyembree import RayMeshIntersector

from photoreal.core import Cameras, Mesh, pixel_rays, project
from photoreal.mesh.texture.hits import camera_hits

CAMERAS = cameras_around(6, side=64)


def embree(mesh: Mesh, camera: Cameras) -> torch.Tensor:
    solid = trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False)
    rays = pixel_rays(camera)[0].reshape(-1, 3) @ camera.cam_from_world[0, :3, :3]
    start = camera.centres[0].expand(len(rays), 3)
    found = RayMeshIntersector(solid).intersects_first(start.numpy(), rays.numpy())
    return torch.from_numpy(found).reshape(camera.size)


def test_hits_are_embrees() -> None:
    generator = torch.Generator().manual_seed(0)
    soup = Mesh(torch.randn(300, 3, generator=generator), torch.arange(300).reshape(-1, 3))
    for mesh in (ball_mesh(), soup):
        for view in range(len(CAMERAS)):
            hits = camera_hits(mesh, CAMERAS.take([view]))
            assert float((hits.face == embree(mesh, CAMERAS.take([view]))).float().mean()) > 0.998


def test_triangles_that_reach_behind_the_camera_are_drawn() -> None:
    floor = Mesh(torch.tensor([[-50.0, -50, -1], [50, -50, -1], [0, 80, -1]]), torch.tensor([[0, 1, 2]]))
    inside = CAMERAS.take([1]).replace(
        cam_from_world=torch.tensor([[[1.0, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]])
    )
    hits = camera_hits(floor, inside)
    assert torch.equal(hits.face, embree(floor, inside).to(torch.int32))
    assert bool((hits.face[-1] == 0).all())
    assert bool((hits.face[0] == -1).all())


def test_weights_and_depth_are_those_of_the_point_behind_the_pixel() -> None:
    mesh, camera = ball_mesh(), CAMERAS.take([2])
    hits = camera_hits(mesh, camera)
    rows, columns = torch.nonzero(hits.face >= 0, as_tuple=True)
    corners = mesh.vertices[mesh.faces[hits.face[rows, columns].long()]]
    weights = hits.weights[rows, columns]
    points = (corners * torch.cat([weights, 1 - weights.sum(1, keepdim=True)], 1)[..., None]).sum(1)
    pixels, depth = project(camera, points)
    assert torch.allclose(pixels[0], torch.stack([columns, rows], 1) + 0.5, atol=1e-3)
    assert torch.allclose(depth[0], hits.depth[rows, columns], rtol=1e-5)


def test_bytes_do_not_depend_on_the_number_of_threads() -> None:
    import numba

    mesh, camera = ball_mesh(), CAMERAS.take([0])
    many = camera_hits(mesh, camera)
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        one = camera_hits(mesh, camera)
    finally:
        numba.set_num_threads(before)
    assert torch.equal(one.face, many.face)
    assert torch.equal(one.weights, many.weights)
