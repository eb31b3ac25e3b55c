"""Stages: each turns what a scene folder holds into what it holds next, tells its progress, is kept in `run.json`."""

from photoreal.stages.config import PRESETS, FilmConfig, MeshConfig, Preset, ReconstructConfig, ScaleConfig, preset
from photoreal.stages.geometry import SfmGeometry, geometry_model
from photoreal.stages.ledger import fingerprint, plain, run_stage, source_fingerprint, stage_of
from photoreal.stages.meshes import MESH_FILES, mesh_stage, points_of, read_mesh, surface_of
from photoreal.stages.options import check_options
from photoreal.stages.progress import Outcome, Progress
from photoreal.stages.renders import compare, means, perceptual_network, render, render_stage, save
from photoreal.stages.scale import metres_per_unit, scale_note, settle_scale
from photoreal.stages.score import score
from photoreal.stages.solve import CAMERA_FILES, solve_stage
from photoreal.stages.splats import SPLAT_FILES, read_splats, splat_stage, split

__all__ = [
    "CAMERA_FILES",
    "MESH_FILES",
    "PRESETS",
    "SPLAT_FILES",
    "FilmConfig",
    "MeshConfig",
    "Outcome",
    "Preset",
    "Progress",
    "ReconstructConfig",
    "ScaleConfig",
    "SfmGeometry",
    "check_options",
    "compare",
    "fingerprint",
    "geometry_model",
    "means",
    "mesh_stage",
    "metres_per_unit",
    "perceptual_network",
    "plain",
    "points_of",
    "preset",
    "read_mesh",
    "read_splats",
    "render",
    "render_stage",
    "run_stage",
    "save",
    "scale_note",
    "score",
    "settle_scale",
    "solve_stage",
    "source_fingerprint",
    "splat_stage",
    "split",
    "stage_of",
    "surface_of",
]
