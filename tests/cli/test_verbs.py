"""What each verb makes of a finished scene, read back by our own readers."""

import json
import re
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from captures import (
    BRIEF,
    COARSE,
    Program,
    result,
    room,
    seconds_of,
    small_room,
    stages_of,
    write_cameras,
    write_posed,
)
from PIL import Image
from safetensors.torch import save_file

from photoreal.cli.main import main
from photoreal.cli.stages.solve import told
from photoreal.io import (
    detect,
    read_capture,
    read_colmap,
    read_gaussians,
    read_gaussians_ply,
    read_glb,
    read_nerfstudio,
    read_run,
    read_spz,
    write_nerfstudio,
)
from photoreal.stages import PRESETS


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_posed(tmp_path_factory.mktemp("verbs") / "dataset")


@pytest.fixture(scope="module")
def scene(dataset: Path) -> Path:
    out = dataset.parent / "scene"
    main(["reconstruct", str(dataset), "-o", str(out), *BRIEF])
    return out


def pictures(folder: Path) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)) for path in sorted(folder.iterdir())}


def test_reconstruct_sums_up_what_it_made(program: Program, dataset: Path, scene: Path) -> None:
    out = program.succeed("reconstruct", dataset, "-o", scene, *BRIEF, "--resume")
    figures = {name: value for stage in read_run(scene).stages for name, value in stage.figures.items()}
    lines = out.splitlines()
    assert lines[0] == "6 photos used, 0 left out"
    assert lines[1] == f"400 points, {figures['gaussians']:,.0f} Gaussians"
    assert lines[2].startswith(f"1 held-out photos: PSNR {figures['psnr']:.2f} dB, SSIM {figures['ssim']:.3f}")
    told = rf"mesh: {figures['faces']:,.0f} triangles, held out: PSNR {figures['mesh_psnr']:.2f} dB(, LPIPS [0-9.]+)?"
    assert re.fullmatch(told, lines[3])
    assert re.fullmatch(r"time: solve \d+ s, splat \d+ s, mesh \d+ s, render \d+ s", lines[4])
    assert lines[5].startswith("models: solve: cameras of the nerfstudio dataset; splat: embedded: numba rasterizer; ")
    files = [f"mesh: {scene / 'mesh.glb'}", f"report: {scene / 'report.html'}"]
    assert lines[6:] == [*files, f"look: photoreal view {scene}"]


def test_many_left_out_photos_are_summed_up(program: Program, tmp_path: Path) -> None:
    dataset = write_posed(tmp_path / "dataset", views=10)
    for number in range(2, 9):
        (dataset / "images" / f"toy_00{number}.png").unlink()
    out = program.succeed("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
    assert out.startswith("3 photos used, 7 left out\n")
    assert out.count("  left out: ") == 5
    assert "\n  and 2 more; see run.json\n" in out


def test_solve_then_splat_is_reconstruct(program: Program, dataset: Path, scene: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert f"next: photoreal splat {out}" in program.succeed("solve", dataset, "-o", out, *BRIEF)
    assert stages_of(out) == ["solve"]
    assert detect(out) == "colmap"
    assert "PSNR" in program.succeed("splat", out, *BRIEF)
    assert result(out) == result(scene)


@pytest.mark.parametrize(("value", "words"), [(60000.0, "60000"), (1234.5, "1234"), (0.012345, "0.01235"), (5.0, "5")])
def test_figures_of_cameras_are_told_in_plain_digits(value: float, words: str) -> None:
    assert told(value) == words


def test_solve_goes_on_without_solving_again(program: Program, dataset: Path, tmp_path: Path) -> None:
    program.succeed("solve", dataset, "-o", tmp_path / "out")
    before = seconds_of(tmp_path / "out")
    assert "--resume to go on" in program.fail("solve", dataset, "-o", tmp_path / "out")
    program.succeed("solve", dataset, "-o", tmp_path / "out", "--resume")
    assert seconds_of(tmp_path / "out") == before


def test_splat_fits_anew_and_keeps_the_cameras(program: Program, dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program.succeed("reconstruct", dataset, "-o", out, *BRIEF, "--preset", "draft")
    before, cameras = seconds_of(out), (out / "capture.json").read_bytes()
    program.succeed("splat", out, *BRIEF, "--fit.steps", "25", "--hold-out", "3")
    after, record = seconds_of(out), read_run(out)
    assert after["solve"] == before["solve"]
    assert after["splat"] != before["splat"]
    assert (out / "capture.json").read_bytes() == cameras
    assert record.held_out == ["toy_001.png", "toy_004.png"]
    assert record.stages[1].figures["steps"] == 25
    assert record.options["fit"]["steps"] == 25
    assert record.options["read"]["max_side"] == 800, "how the cameras were made is still told"
    names = {path.stem for path in (out / "renders" / "held_out").iterdir()}
    assert names == set(record.held_out), "renders of an earlier choice are gone"


def test_photos_to_hold_out_that_are_not_there_cost_nothing(program: Program, dataset: Path, tmp_path: Path) -> None:
    program.succeed("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF)
    before = result(tmp_path / "out")
    said = program.fail("splat", tmp_path / "out", *BRIEF, "--held-out", "toy_999")
    assert "0 of the 6 photos used are named toy_999" in said
    assert result(tmp_path / "out") == before, "the splats that were there still count"


def test_splat_starts_from_the_preset(program: Program, dataset: Path, tmp_path: Path) -> None:
    program.succeed("solve", dataset, "-o", tmp_path / "out")
    program.succeed("splat", tmp_path / "out", "--preset", "draft", "--fit.steps", "5", "--film.frames", "2")
    options, draft = read_run(tmp_path / "out").options, PRESETS["draft"]
    assert options["fit"]["max_gaussians"] == draft.fit.max_gaussians
    assert options["film"]["side"] == draft.film.side
    assert draft.film.side != PRESETS["standard"].film.side


@pytest.mark.parametrize("to", ["ply", "spz"])
def test_exported_gaussians_come_back(program: Program, scene: Path, tmp_path: Path, to: str) -> None:
    out = tmp_path / "new" / f"splats.{to}"
    assert program.succeed("export", scene, "--to", to, "-o", out) == f"written: {out}\n"
    ours = read_gaussians(scene)
    theirs = read_gaussians_ply(out) if to == "ply" else read_spz(out)
    assert len(theirs) == len(ours)
    coarseness = 0.0 if to == "ply" else 1e-3
    assert float((theirs.means - ours.means).abs().max()) <= coarseness
    assert float((theirs.log_scales - ours.log_scales).abs().max()) <= 64 * coarseness
    assert f"{out} exists already" in program.fail("export", scene, "--to", to, "-o", out)


@pytest.mark.parametrize("to", ["glb", "usdz", "obj", "mesh-ply"])
def test_the_mesh_is_exported(program: Program, scene: Path, tmp_path: Path, to: str) -> None:
    assert program.succeed("export", scene, "--to", to, "-o", tmp_path / "out") == f"written: {tmp_path / 'out'}\n"
    assert (tmp_path / "out").is_file() == (to in ("glb", "usdz"))


def test_a_compressed_export_is_the_same_mesh(program: Program, scene: Path, tmp_path: Path) -> None:
    program.succeed("export", scene, "--to", "glb", "-o", tmp_path / "a.glb", "--mesh.compress", "draco")
    ours, theirs = read_glb(scene / "mesh.glb"), read_glb(tmp_path / "a.glb")
    assert len(theirs) == len(ours)
    assert torch.allclose(theirs.vertices.amax(0), ours.vertices.amax(0), atol=1e-3)


def test_an_export_is_named_after_the_scene(program: Program, dataset: Path, tmp_path: Path) -> None:
    program.succeed("reconstruct", dataset, "-o", tmp_path / "attic", *BRIEF)
    program.succeed("export", tmp_path / "attic")
    program.succeed("export", tmp_path / "attic", "--to", "colmap")
    assert (tmp_path / "attic.spz").is_file()
    assert (tmp_path / "attic_colmap" / "sparse" / "0" / "images.bin").is_file()


def test_an_exported_colmap_dataset_comes_back(program: Program, scene: Path, tmp_path: Path) -> None:
    program.succeed("export", scene, "--to", "colmap", "-o", tmp_path / "out")
    ours, theirs = read_capture(scene), read_colmap(tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"images", "sparse"}
    assert torch.allclose(ours.capture.cameras.cam_from_world, theirs.capture.cameras.cam_from_world, atol=1e-6)
    assert torch.equal(ours.capture.photos.images, theirs.capture.photos.images)
    assert len(theirs.points) == len(ours.points)


def test_an_exported_nerfstudio_dataset_comes_back(program: Program, scene: Path, tmp_path: Path) -> None:
    program.succeed("export", scene, "--to", "nerfstudio", "-o", tmp_path / "out")
    ours, theirs = read_capture(scene), read_nerfstudio(tmp_path / "out")
    assert torch.allclose(ours.capture.cameras.cam_from_world, theirs.capture.cameras.cam_from_world, atol=1e-6)
    assert torch.equal(ours.capture.photos.images, theirs.capture.photos.images)
    assert torch.equal(theirs.points.positions, ours.points.positions)


def test_a_scene_is_itself_a_dataset(program: Program, scene: Path, tmp_path: Path) -> None:
    program.succeed("solve", scene, "-o", tmp_path / "again")
    ours, theirs = (read_capture(folder).capture.cameras for folder in (scene, tmp_path / "again"))
    assert torch.allclose(ours.cam_from_world, theirs.cam_from_world, atol=1e-6)


def test_renders_of_the_photos_cameras_are_those_of_the_run(program: Program, scene: Path, tmp_path: Path) -> None:
    program.succeed("render", scene, "-o", tmp_path / "out", "--path", "photos")
    made = pictures(tmp_path / "out")
    assert list(made) == [f"toy_00{number}.png" for number in range(6)]
    kept = np.asarray(Image.open(scene / "renders" / "held_out" / "toy_004.png.png"))
    assert np.array_equal(made["toy_004.png"], kept)
    said = program.fail("render", scene, "-o", tmp_path / "out", "--path", "photos")
    assert "exists already; choose another folder for the pictures" in said


def test_renders_along_an_orbit_have_the_asked_size(program: Program, scene: Path, tmp_path: Path) -> None:
    out = program.succeed("render", scene, "-o", tmp_path / "out", "--frames", "3", "--side", "32")
    assert out == f"3 pictures in {tmp_path / 'out'}\n"
    assert [image.shape for image in pictures(tmp_path / "out").values()] == [(24, 32, 3)] * 3


def test_renders_of_a_transforms_json_are_of_its_cameras(program: Program, scene: Path, tmp_path: Path) -> None:
    cameras = read_capture(scene).capture.cameras
    write_nerfstudio(tmp_path / "path.json", cameras.take([4, 0]), ["far/last.png", "first"], points_name="")
    program.succeed("render", scene, "-o", tmp_path / "out", "--path", tmp_path / "path.json")
    made = pictures(tmp_path / "out")
    assert list(made) == ["first.png", "last.png"]
    kept = np.asarray(Image.open(scene / "renders" / "held_out" / "toy_004.png.png")).astype(int)
    assert int(np.abs(made["last.png"].astype(int) - kept).max()) <= 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--path", "nowhere.json"), "there is no transforms.json in nowhere.json"),
        (("--frames", "0"), "no film can be made of 6 cameras and 0 frames"),
        (("--side", "-5"), "--side is -5; it must be at least 0"),
    ],
)
def test_renders_that_cannot_be(
    program: Program, scene: Path, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    assert complaint in program.fail("render", scene, "-o", tmp_path / "out", *words)
    assert not (tmp_path / "out").exists()


def test_eval_measures_what_the_run_measured(program: Program, scene: Path) -> None:
    figures = json.loads(program.succeed("eval", scene, "--json"))
    recorded = read_run(scene).stages[3].figures
    assert figures["psnr"] == pytest.approx(recorded["psnr"])
    assert figures["ssim"] == pytest.approx(recorded["ssim"])
    assert figures["lpips"] == pytest.approx(recorded.get("lpips"))
    table = program.succeed("eval", scene).splitlines()
    assert f"psnr{figures['psnr']:.4f}" in "".join(table).replace(" ", "")
    assert len({line.index(line.split()[1]) for line in table}) == 1, "columns stand below each other"


def test_eval_without_held_out_photos_says_not_measured(program: Program, dataset: Path, tmp_path: Path) -> None:
    program.succeed("reconstruct", dataset, "-o", tmp_path / "out", *BRIEF, "--hold-out", "0")
    assert re.search(r"psnr +not measured", program.succeed("eval", tmp_path / "out"))
    assert json.loads(program.succeed("eval", tmp_path / "out", "--json"))["psnr"] is None


def test_eval_against_truth(program: Program, dataset: Path, scene: Path) -> None:
    figures = json.loads(program.succeed("eval", scene, "--truth", dataset, "--json"))
    assert figures["rotation_error_degrees"] < 1e-3
    assert figures["translation_error_share"] < 1e-4
    assert figures["pose_auc_5"] > 99.9
    assert figures["depth_abs_rel"] is None
    assert figures["points_accuracy"] is None
    same = json.loads(program.succeed("eval", scene, "--truth", dataset / "transforms.json", "--json"))
    assert same["rotation_error_degrees"] == figures["rotation_error_degrees"]


def test_eval_notices_wrong_cameras(program: Program, scene: Path, tmp_path: Path) -> None:
    truth = small_room().capture
    order = [1, 0, 2, 3, 4, 5]
    write_nerfstudio(tmp_path / "transforms.json", truth.cameras.take(order), truth.photos.names)
    figures = json.loads(program.succeed("eval", scene, "--truth", tmp_path, "--json"))
    assert figures["rotation_error_degrees"] > 1
    write_nerfstudio(tmp_path / "transforms.json", truth.cameras.take([0, 1]), truth.photos.names[:2])
    said = program.fail("eval", scene, "--truth", tmp_path)
    assert "has cameras for 2 of the scene's 6 photos; 3 are needed" in said


@pytest.mark.parametrize("verb", ["eval", "render", "export"])
def test_a_scene_whose_splats_are_not_finished_is_not_shown(
    program: Program, dataset: Path, tmp_path: Path, verb: str
) -> None:
    program.succeed("solve", dataset, "-o", tmp_path / "scene")
    words = () if verb == "eval" else ("-o", tmp_path / "out")
    said = program.fail(verb, tmp_path / "scene", *words)
    assert re.search(r"scene holds no .*; run .*", said)
    assert not (tmp_path / "out").exists()


def test_splats_of_earlier_cameras_are_not_measured(program: Program, tmp_path: Path) -> None:
    """A run that was stopped after cameras were found anew leaves Gaussians that do not belong to them."""
    dataset, out = write_posed(tmp_path / "dataset"), tmp_path / "out"
    program.succeed("reconstruct", dataset, "-o", out, *BRIEF)
    (dataset / "images" / "toy_004.png").unlink()
    program.succeed("solve", dataset, "-o", out, "--resume")
    assert stages_of(out) == ["solve"]
    assert "out holds no finished splats" in program.fail("eval", out)
    assert "out holds no finished splats" in program.fail("export", out)


def test_doctor_tells_what_works_and_what_would_change_the_rest(program: Program) -> None:
    out = program.succeed("doctor")
    assert re.search(r"^photoreal \S+ on Python 3\.", out)
    assert re.search(r"\d+ processors, .*memory.*, \d+ GiB free here", out)
    assert re.search(r"^  yes  pycolmap \d", out, re.MULTILINE)
    assert re.search(r"^  (yes|no )  how alike two images look.*: lpips-alex, embedded$", out, re.MULTILINE)
    assert re.search(r"^  (yes|no )  cameras and depth of photographs.*: vggt-1b, real$", out, re.MULTILINE)
    lines = out.splitlines()
    missing = [number for number, line in enumerate(lines) if line.startswith("  no ") and "CUDA: " not in line]
    assert all(
        lines[number + 1].strip().startswith(("-> pip install", "-> photoreal weights get")) for number in missing
    )


def test_weights_are_listed_with_what_they_are_for_and_where_they_come_from(program: Program) -> None:
    out = program.succeed("weights", "list")
    assert re.search(r"^vggt-1b +real +(here|absent)$", out, re.MULTILINE)
    assert "model.safetensors of facebook/VGGT-1B on the hub" in out
    assert "CC-BY-NC-4.0 (not for commercial use)" in out
    only = program.succeed("weights", "list", "embedded")
    assert "lpips-alex" in only
    assert " real " not in only


def test_absent_weights_fail_a_check_only_when_they_are_named(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PHOTOREAL_WEIGHTS", str(tmp_path))
    (tmp_path / "lpips-alex").mkdir()
    (tmp_path / "lpips-alex" / "alexnet.ckpt").write_bytes(b"damaged")
    assert "1 are damaged or absent: lpips-alex" in program.fail("weights", "check")
    (tmp_path / "lpips-alex" / "alexnet.ckpt").unlink()
    assert "lpips-alex needs" not in program.succeed("weights", "check", "dinov2-small-saliency")
    assert "1 are damaged or absent: lpips-alex" in program.fail("weights", "check", "lpips-alex")
    assert "no weights called 'vgt'" in program.fail("weights", "get", "vgt")


def test_a_file_without_a_known_checksum_is_not_called_whole(
    program: Program, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PHOTOREAL_WEIGHTS", str(tmp_path))
    (tmp_path / "vggt-1b").mkdir()
    path = tmp_path / "vggt-1b" / "model.safetensors"
    path.write_bytes(b"garbage")
    assert "1 are damaged or absent: vggt-1b" in program.fail("weights", "check", "vggt-1b")
    save_file({"one": torch.zeros(2)}, path)
    assert "holds 1 tensors, but its checksum is not known" in program.succeed("weights", "check", "vggt-1b")


def test_view_ends_with_control_c(program: Program, scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float) -> None:
        if seconds > 100:
            raise KeyboardInterrupt
        sleep(seconds)

    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", interrupted)
    assert re.search(r"open http://127\.0\.0\.1:\d+ in a browser; Ctrl-C ends", program.succeed("view", scene))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--port", "99999"), "--port is 99999; it must be from 1 to 65535"),
        (("--host", "192.0.2.1"), "no server can listen on --host 192.0.2.1 (Cannot assign requested address)"),
        (("--host", "no such host"), "no server can listen on --host no such host"),
    ],
)
def test_view_refuses_addresses_that_cannot_be(
    program: Program, scene: Path, words: tuple[str, ...], complaint: str
) -> None:
    assert complaint in program.fail("view", scene, *words)


def test_synth_does_not_render_over_a_finished_capture(program: Program, tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "transforms.json").touch()
    assert "already holds a finished capture" in program.fail("synth", "-o", tmp_path)


def test_a_dataset_without_points_has_them_triangulated(program: Program, tmp_path: Path) -> None:
    dataset = write_cameras(tmp_path / "dataset", room())
    words = ("solve", dataset, *COARSE)
    program.succeed(*words, "-o", tmp_path / "with")
    scene, stage = read_capture(tmp_path / "with"), read_run(tmp_path / "with").stages[0]
    assert len(scene.points) > 500
    assert stage.figures["points"] == len(scene.points)
    assert stage.notes == [f"0 points came with the cameras; {len(scene.points)} were triangulated from the photos"]
    assert int(read_colmap(tmp_path / "with").points.confidence.min()) >= 2
    program.succeed(*words, "-o", tmp_path / "without", "--sfm.no-triangulate")
    bare = read_capture(tmp_path / "without")
    assert len(bare.points) == 0
    assert torch.equal(bare.capture.cameras.cam_from_world, scene.capture.cameras.cam_from_world)
