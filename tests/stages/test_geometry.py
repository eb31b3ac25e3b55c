"""The embedded geometry model: cameras of structure from motion, and depths of splats fitted to them."""

import dataclasses

import pytest
import torch

from photoreal.align import FeatureConfig, SfmConfig
from photoreal.core import drained, fit_similarity, similarity_scale
from photoreal.models import GeometryModel
from photoreal.stages import SfmGeometry, geometry_model, preset
from photoreal.synth import toy_scene


@pytest.mark.slow
def test_depths_agree_with_the_truth_up_to_one_scale() -> None:
    room = toy_scene(0, views=6, size=(300, 400))
    draft = preset("draft")
    config = dataclasses.replace(
        draft,
        sfm=SfmConfig(features=FeatureConfig(max_features=2000)),
        fit=dataclasses.replace(draft.fit, steps=150, max_gaussians=6000, steps_a_photo=100),
        mesh=dataclasses.replace(draft.mesh, depth_side=100),
    )
    model = geometry_model(config)
    assert isinstance(model, GeometryModel)
    assert isinstance(model, SfmGeometry)
    found = drained(model(room.capture.photos))
    assert found.gauge == "scale_invariant"
    assert found.model.startswith("embedded: ")
    assert found.capture.photos.names == room.capture.photos.names
    assert found.depths.size == (75, 100)
    scale = float(similarity_scale(fit_similarity(room.capture.cameras.centres, found.capture.cameras.centres)))
    truth = torch.nn.functional.interpolate(room.depths.depth[None], (75, 100), mode="nearest-exact")[0]
    known = found.depths.known
    assert float(known.float().mean()) > 0.75
    error = (found.depths.depth / scale / truth - 1).abs()[known]
    assert float(error.median()) < 0.05
