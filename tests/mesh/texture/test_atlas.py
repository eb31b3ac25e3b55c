import torch
from balls import ball_mesh

from photoreal.core import Mesh
from photoreal.mesh.texture.atlas import PADDING, unwrap
from photoreal.mesh.texture.charts import charts_of
from photoreal.mesh.texture.hits import texel_hits

BALL = ball_mesh()
TEXEL = torch.full((len(BALL.faces),), 0.02)


def uv_areas(mesh_uvs: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
    a, b, c = mesh_uvs[faces].double().unbind(1)
    u, v = b - a, c - a
    return (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).abs() / 2


def test_every_face_has_its_own_texels() -> None:
    atlas = unwrap(BALL, TEXEL, side=1024)
    assert atlas.pages == 1
    covered = float((texel_hits(atlas, 0).face >= 0).sum())
    assert abs(covered / float(uv_areas(atlas.uvs, atlas.faces).sum()) - 1) < 0.01  # overlaps would hide some
    assert torch.equal(atlas.source[atlas.faces], BALL.faces)
    assert float(atlas.uvs.min()) >= 0
    assert float(atlas.uvs.max()) <= atlas.side


def test_texels_are_as_large_as_asked_and_even() -> None:
    atlas = unwrap(BALL, TEXEL, side=1024)
    share = uv_areas(atlas.uvs, atlas.faces) * 0.02**2 / BALL.face_areas
    assert float(share.quantile(0.95)) < 1.15  # xatlas stretches each chart to whole texels
    assert 0.85 < float(share.median()) < 1.05
    assert float(share.min()) > 0.3


def test_charts_keep_their_distance() -> None:
    atlas = unwrap(BALL, TEXEL, side=1024)
    charts = torch.full((len(atlas.source),), -1)
    # Charts are parts of the atlas that share vertices: spread the least number.
    charts = torch.arange(len(atlas.source))
    for _ in range(400):
        least = charts[atlas.faces].min(1).values
        charts = charts.scatter_reduce(0, atlas.faces.reshape(-1), least.repeat_interleave(3), "amin")
    hits = texel_hits(atlas, 0)
    owner = torch.where(hits.face >= 0, charts[atlas.faces[hits.face.clamp_min(0).long(), 0]], -1)
    for shift in range(1, PADDING):
        for one, other in ((owner[:, shift:], owner[:, :-shift]), (owner[shift:], owner[:-shift])):
            both = (one >= 0) & (other >= 0) & (one != other)
            assert not bool(both.any())


def test_what_does_not_fit_one_page_takes_more() -> None:
    atlas = unwrap(BALL, TEXEL / 3, side=256)
    assert atlas.pages > 3
    assert atlas.side == 256
    assert sorted(set(atlas.face_pages.tolist())) == list(range(atlas.pages))
    covered = sum(float((texel_hits(atlas, page).face >= 0).sum()) for page in range(atlas.pages))
    assert abs(covered / float(uv_areas(atlas.uvs, atlas.faces).sum()) - 1) < 0.01


def test_charts_turn_little() -> None:
    charts = charts_of(BALL)
    sums = torch.zeros(int(charts.max()) + 1, 3).index_add_(0, charts, BALL.face_normals)
    means = torch.nn.functional.normalize(sums, dim=1)
    assert float((means[charts] * BALL.face_normals).sum(1).min()) > 0.3


def test_a_roll_that_would_lie_over_itself_is_cut() -> None:
    # A strip wound like a spring along its axis, all normals nearly up: its flat picture would cover itself.
    turn = torch.linspace(0, 4 * torch.pi, 161)
    rings = [torch.stack([r * turn.cos(), r * turn.sin(), 0.02 * turn], 1) for r in (0.6, 1.0)]
    vertices = torch.stack(rings, 1).reshape(-1, 3)
    quads = torch.arange(160) * 2
    faces = torch.cat(
        [torch.stack([quads, quads + 1, quads + 2], 1), torch.stack([quads + 1, quads + 3, quads + 2], 1)]
    )
    spring = Mesh(vertices, faces)
    atlas = unwrap(spring, torch.full((len(faces),), 0.02), side=512)
    covered = float((texel_hits(atlas, 0).face >= 0).sum())
    assert abs(covered / float(uv_areas(atlas.uvs, atlas.faces).sum()) - 1) < 0.02
