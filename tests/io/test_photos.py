import io
import logging
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps

from photoreal.core import CaptureError
from photoreal.io.exif import Place
from photoreal.io.photos import PhotoFile, ReadConfig, load_photos, read_photos


def picture(seed: int = 0, width: int = 64, height: int = 48, mode: str = "RGB") -> Image.Image:
    """A smooth picture without symmetry."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC).convert(mode)


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def folder_of(tmp_path: Path, count: int = 3, suffix: str = ".png") -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for k in range(count):
        picture(k).save(folder / f"p{k}{suffix}")
    return folder


@pytest.mark.parametrize(("suffix", "worst"), [(".png", 0), (".tiff", 0), (".bmp", 0), (".jpg", 6), (".webp", 8)])
def test_formats(tmp_path: Path, suffix: str, worst: int):
    picture().save(tmp_path / f"a{suffix}", **({"quality": 100, "subsampling": 0} if suffix == ".jpg" else {}))
    reading = read_photos(tmp_path)
    assert reading.photos.names == (f"a{suffix}",)
    assert reading.photos.masks.all()
    assert (reading.photos.images[0].int() - pixels(picture()).int()).abs().float().mean() <= worst
    assert reading.photos.focal_hints.tolist() == [0.0]


def test_natural_order_hidden_and_foreign_files(tmp_path: Path):
    for k, name in enumerate(["img10.png", "img9.png", "IMG2.PNG", ".hidden.png"]):
        picture(k).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("hello")
    reading = read_photos(tmp_path)
    assert reading.photos.names == ("IMG2.PNG", "img9.png", "img10.png")
    assert reading.skipped == ()
    assert torch.equal(reading.photos.images[2], pixels(picture(0)))


def test_images_subfolder_single_file_and_links(tmp_path: Path):
    (tmp_path / "images").mkdir()
    picture(1).save(tmp_path / "images" / "a.png")
    (tmp_path / "images" / "b.png").symlink_to(tmp_path / "elsewhere.png")
    picture(2).save(tmp_path / "elsewhere.png", "PNG")
    os.rename(tmp_path / "elsewhere.png", tmp_path / "target.bin")
    (tmp_path / "images" / "c.png").symlink_to(tmp_path / "target.bin")
    reading = read_photos(tmp_path)
    assert reading.photos.names == ("a.png", "c.png")
    assert [(s.name, s.reason) for s in reading.skipped] == [("b.png", "the file is not there")]
    assert read_photos(tmp_path / "images" / "c.png").photos.names == ("c.png",)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff", ".webp"])
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int, suffix: str):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    picture().save(tmp_path / f"a{suffix}", exif=exif, **options)
    with Image.open(tmp_path / f"a{suffix}") as stored:
        expected = pixels(ImageOps.exif_transpose(stored))
    image = read_photos(tmp_path).photos.images[0]
    assert image.shape == expected.shape
    assert (image.int() - expected.int()).abs().max() <= 1


def test_scaling_keeps_the_longer_side_and_scales_the_focal_hint(tmp_path: Path):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 28
    exif[0x0112] = 6
    picture(0, 400, 300).save(tmp_path / "a.jpg", exif=exif, quality=95)
    large = read_photos(tmp_path).photos
    small = read_photos(tmp_path, ReadConfig(max_side=100)).photos
    assert large.size == (400, 300)
    assert small.size == (100, 75)
    assert large.focal_hints[0] == pytest.approx(28 / 43.2666 * 500, rel=1e-4)
    assert small.focal_hints[0] == pytest.approx(28 / 43.2666 * 125, rel=1e-4)
    shrunk = torch.nn.functional.avg_pool2d(large.images.float(), 4)
    assert (small.images.float() - shrunk).abs().mean() < 1.5


def test_max_side_has_a_floor(tmp_path: Path):
    with pytest.raises(CaptureError, match="32 or more"):
        read_photos(folder_of(tmp_path), ReadConfig(max_side=8))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr", "LAB"])
def test_colour_modes(tmp_path: Path, mode: str):
    image = picture(3, mode="RGB").convert(mode) if mode != "LAB" else lab_picture()
    image.save(tmp_path / ("a.png" if mode in ("L", "1", "P") else "a.tiff"))
    photos = read_photos(tmp_path).photos
    assert torch.equal(photos.images[0], pixels(image))
    assert photos.masks.all()


def lab_picture() -> Image.Image:
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    converted = ImageCms.profileToProfile(picture(3), srgb, lab, outputMode="LAB")
    assert converted is not None
    return converted


def test_cmyk_jpeg_looks_like_its_rgb(tmp_path: Path):
    picture().convert("CMYK").save(tmp_path / "a.jpg", quality=98)
    image = read_photos(tmp_path).photos.images[0]
    assert (image.int() - pixels(picture()).int()).abs().float().mean() < 4


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_grey(tmp_path: Path, suffix: str):
    levels = np.arange(64 * 48, dtype=np.uint16).reshape(48, 64) * 21
    Image.fromarray(levels).save(tmp_path / f"a{suffix}")
    assert torch.equal(read_photos(tmp_path).photos.images[0, 1], torch.from_numpy((levels >> 8).astype(np.uint8)))


def test_sixteen_bit_colour_png(tmp_path: Path):
    levels = np.random.default_rng(0).integers(0, 65536, (40, 50, 3), dtype=np.uint16)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in levels)
    header = struct.pack(">IIBBBBB", 50, 40, 16, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png(header, zlib.compress(lines)))
    image = read_photos(tmp_path).photos.images[0].permute(1, 2, 0).numpy()
    assert (np.abs(image.astype(int) - levels / 257) <= 1).all()


def png(header: bytes, data: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def test_floating_point_pixels_are_refused_with_the_remedy(tmp_path: Path):
    folder = folder_of(tmp_path)
    Image.fromarray(np.zeros((40, 40), np.float32)).save(folder / "f.tiff")
    assert [(s.name, "8 or 16 bits" in s.reason) for s in read_photos(folder).skipped] == [("f.tiff", True)]


def test_colour_profile_becomes_srgb(tmp_path: Path):
    """A profile whose red and green primaries are exchanged shows red as green."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = profile.replace("sRGB".encode("utf-16-be"), "odd!".encode("utf-16-be"))
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    Image.new("RGB", (40, 40), (255, 0, 0)).save(tmp_path / "a.png", icc_profile=swapped)
    colour = read_photos(tmp_path).photos.images[0, :, 20, 20]
    assert (colour.int() - torch.tensor([0, 255, 0])).abs().max() <= 6


@pytest.mark.parametrize("profile", [b"nonsense", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()])
def test_damaged_and_srgb_profiles_change_nothing(tmp_path: Path, profile: bytes):
    picture().save(tmp_path / "a.png", icc_profile=profile)
    assert torch.equal(read_photos(tmp_path).photos.images[0], pixels(picture()))


def test_alpha_is_a_mask_and_colours_stay_as_stored(tmp_path: Path):
    rgba = np.dstack([np.array(picture()), np.zeros((48, 64), np.uint8)])
    rgba[:24, :, 3], rgba[24:36, :, 3] = 255, 128
    Image.fromarray(rgba).save(tmp_path / "a.png")
    photos = read_photos(tmp_path).photos
    assert photos.masks[0, :36].all()
    assert not photos.masks[0, 36:].any()
    assert torch.equal(photos.images[0], pixels(picture()))


def test_scaled_alpha_does_not_bleed_hidden_colours(tmp_path: Path):
    rgba = np.zeros((256, 256, 4), np.uint8)
    rgba[..., 1] = 255
    rgba[64:192, 64:192] = (200, 0, 0, 255)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    photos = read_photos(tmp_path, ReadConfig(max_side=63)).photos
    inside = photos.images[0][:, photos.masks[0]]
    assert inside[1].max() <= 8
    assert inside[0].min() >= 180


def test_palette_transparency_and_colour_key(tmp_path: Path):
    palette = picture().quantize(8)
    palette.save(tmp_path / "a.png", transparency=3)
    Image.new("RGB", (40, 40), (1, 2, 3)).save(tmp_path / "b.png", transparency=(1, 2, 3))
    reading = read_photos(tmp_path)
    assert torch.equal(reading.photos.masks[0], torch.from_numpy(np.array(palette) != 3))
    assert [s.name for s in reading.skipped] == ["b.png"]
    assert "leaves no pixel" in reading.skipped[0].reason


@pytest.mark.parametrize("place", ["inside", "beside", "given"])
@pytest.mark.parametrize("naming", ["p0.png", "p0.jpg.png", "P0.PNG"])
def test_masks_are_found(tmp_path: Path, place: str, naming: str):
    folder = folder_of(tmp_path, suffix=".jpg")
    masks = {"inside": folder / "masks", "beside": tmp_path / "masks", "given": tmp_path / "else"}[place]
    masks.mkdir()
    white = np.zeros((48, 64), np.uint8)
    white[:, :32] = 255
    Image.fromarray(white).save(masks / naming)
    reading = read_photos(folder, ReadConfig(masks=masks if place == "given" else None))
    assert torch.equal(reading.photos.masks[0], torch.from_numpy(white > 0))
    assert reading.photos.masks[1:].all()


@pytest.mark.parametrize("kind", ["half", "rgb", "binary", "palette", "rgba"])
def test_masks_of_other_sizes_and_modes(tmp_path: Path, kind: str):
    folder = folder_of(tmp_path, 1)
    (folder / "masks").mkdir()
    keep = np.zeros((24, 32), bool)
    keep[5:20, 3:9] = True
    grey = Image.fromarray((keep * (1 if kind == "binary" else 255)).astype(np.uint8))
    mask = {"rgb": grey.convert("RGB"), "palette": grey.convert("P")}.get(kind, grey)
    if kind == "rgba":
        mask = Image.merge("RGBA", (grey.point(lambda _: 255),) * 3 + (grey,))
    mask.save(folder / "masks" / "p0.png")
    expected = torch.from_numpy(keep).repeat_interleave(2, 0).repeat_interleave(2, 1)
    assert torch.equal(read_photos(folder).photos.masks[0], expected)


@pytest.mark.parametrize("lies", ["upright", "sideways"])
def test_mask_of_a_turned_photo(tmp_path: Path, lies: str):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(tmp_path / "a.png", exif=exif)
    (tmp_path / "masks").mkdir()
    stored = np.zeros((48, 64), np.uint8)
    stored[:10, :20] = 255
    upright = np.rot90(stored, -1)
    Image.fromarray(stored if lies == "sideways" else upright.copy()).save(tmp_path / "masks" / "a.png")
    assert torch.equal(read_photos(tmp_path).photos.masks[0], torch.from_numpy(upright > 0))


def test_masks_that_do_not_fit(tmp_path: Path):
    folder = folder_of(tmp_path)
    (tmp_path / "masks").mkdir()
    Image.new("L", (64, 48)).save(tmp_path / "masks" / "p0.png")
    (tmp_path / "masks" / "p1.png").write_bytes(b"broken")
    reading = read_photos(folder)
    assert reading.photos.names == ("p2.png",)
    assert [s.name for s in reading.skipped] == ["p0.png", "p1.png"]
    assert reading.skipped[1].reason == "its mask p1.png: not a picture that can be read"
    (tmp_path / "none").mkdir()
    with pytest.raises(CaptureError, match="holds no mask for any of the 3 photos"):
        read_photos(folder, ReadConfig(masks=tmp_path / "none"))


def test_bad_files_are_skipped_and_named(tmp_path: Path):
    folder = folder_of(tmp_path, 3, ".jpg")
    whole = (folder / "p1.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "text.jpg").write_text("I am no picture")
    (folder / "empty.png").touch()
    Image.new("RGB", (1, 1)).save(folder / "dot.png")
    (folder / "folder.png").mkdir()
    reading = read_photos(folder)
    assert reading.photos.names == ("p0.jpg", "p1.jpg", "p2.jpg")
    reasons = {s.name: s.reason for s in reading.skipped}
    assert set(reasons) == {"truncated.jpg", "text.jpg", "empty.png", "dot.png"}
    assert "truncated" in reasons["truncated.jpg"].lower()
    assert reasons["text.jpg"] == "not a picture that can be read"
    assert reasons["empty.png"] == "an empty file"
    assert reasons["dot.png"].startswith("1x1 pixels")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tiff", ".webp"])
def test_damage_anywhere_is_skipped_or_read(tmp_path: Path, suffix: str):
    good = folder_of(tmp_path, 1)
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    picture(9).save(buffer, {".jpg": "JPEG", ".png": "PNG", ".tiff": "TIFF", ".webp": "WEBP"}[suffix], exif=exif)
    rng = np.random.default_rng(0)
    for k in range(60):
        data = bytearray(buffer.getvalue())
        for position in rng.integers(0, len(data) if k % 2 else min(200, len(data)), 4):
            data[position] = rng.integers(256)
        (good / f"x{k}{suffix}").write_bytes(data[: rng.integers(1, len(data) + 1)] if k % 3 == 0 else data)
    reading = read_photos(good)
    assert "p0.png" in reading.photos.names
    assert len(reading.photos) + len(reading.skipped) == 61
    assert all(skipped.reason and "\n" not in skipped.reason for skipped in reading.skipped)


def test_empty_and_foreign_folders(tmp_path: Path):
    with pytest.raises(CaptureError, match="0 photos among 0 files"):
        read_photos(tmp_path)
    for k in range(7):
        (tmp_path / f"{k}.txt").write_text("words")
    with pytest.raises(CaptureError, match=r"0 photos among 7 files in .* \(\.txt x7\); put JPEG, PNG"):
        read_photos(tmp_path)
    with pytest.raises(CaptureError, match="does not exist"):
        read_photos(tmp_path / "nowhere")
    (tmp_path / "0.jpg").write_bytes(b"no")
    with pytest.raises(CaptureError, match=r"0 of 1 photos .* can be used; 0\.jpg: not a picture"):
        read_photos(tmp_path)


def test_repeated_pictures(tmp_path: Path):
    folder = folder_of(tmp_path)
    (folder / "again.png").write_bytes((folder / "p1.png").read_bytes())
    picture(1).save(folder / "p9.bmp")
    reading = read_photos(folder)
    assert reading.photos.names == ("again.png", "p0.png", "p2.png")
    assert [(s.name, s.reason) for s in reading.skipped] == [
        ("p1.png", "the same picture as again.png"),
        ("p9.bmp", "the same picture as again.png"),
    ]
    assert torch.equal(reading.photos.images, torch.stack([pixels(picture(k)) for k in (1, 0, 2)]))
    for path in folder.iterdir():
        picture(1).save(path)
    with pytest.raises(CaptureError, match=r"all 5 photos in .* are the same picture"):
        read_photos(folder)


def test_mixed_sizes_share_a_canvas(tmp_path: Path):
    for k, size in enumerate([(64, 48), (40, 80), (50, 50)]):
        picture(k, *size).save(tmp_path / f"{k}.png")
    photos = read_photos(tmp_path).photos
    assert photos.size == (80, 64)
    assert [int(mask.sum()) for mask in photos.masks] == [64 * 48, 40 * 80, 2500]
    assert torch.equal(photos.images[1, :, :80, :40], pixels(picture(1, 40, 80)))
    assert photos.masks[1, :80, :40].all()
    assert not photos.images[1, :, :, 40:].any()
    assert photos.lens_ids.tolist() == [0, 1, 2]


def test_canvas_forgets_a_photo_that_fails(tmp_path: Path):
    folder = folder_of(tmp_path, 2, ".jpg")
    picture(7, 200, 150).save(folder / "p0a.jpg")
    (folder / "p0a.jpg").write_bytes((folder / "p0a.jpg").read_bytes()[:1500])
    reading = read_photos(folder)
    assert [s.name for s in reading.skipped] == ["p0a.jpg"]
    assert reading.photos.size == (48, 64)
    assert (reading.photos.images[1].int() - pixels(picture(1)).int()).abs().float().mean() < 6


def test_same_stem_gets_a_name_of_its_own(tmp_path: Path):
    picture(0).save(tmp_path / "a.jpg")
    picture(1).save(tmp_path / "A.PNG")
    assert sorted(read_photos(tmp_path).photos.names) in (["A.PNG", "a_2.jpg"], ["A_2.PNG", "a.jpg"])


def test_lenses_by_camera_and_zoom(tmp_path: Path):
    for k, (model, focal) in enumerate([("X100", 23), ("X100", 23), ("X100", 50), ("Y", 23)]):
        exif = Image.Exif()
        exif[0x0110] = model
        exif.get_ifd(0x8769)[0x920A] = focal
        picture(k).save(tmp_path / f"{k}.jpg", exif=exif)
    assert read_photos(tmp_path).photos.lens_ids.tolist() == [0, 0, 1, 2]


def test_heic_without_its_package_names_the_extra(tmp_path: Path):
    folder = folder_of(tmp_path, 1)
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    reading = read_photos(folder)
    assert [s.name for s in reading.skipped] == ["phone.heic"]
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        assert "photoreal[heif]" in reading.skipped[0].reason


def test_too_many_pixels_are_refused_unread(tmp_path: Path):
    folder = folder_of(tmp_path, 1)
    (folder / "vast.png").write_bytes(
        png(struct.pack(">IIBBBBB", 40000, 30000, 8, 2, 0, 0, 0), zlib.compress(bytes(99)))
    )
    before = Image.MAX_IMAGE_PIXELS
    assert read_photos(folder).skipped[0].reason == "40000x30000 pixels, more than 500 million; scale it down"
    assert before == Image.MAX_IMAGE_PIXELS
    (folder / "vast.png").rename(tmp_path / "m.png")
    (folder / "masks").mkdir()
    (tmp_path / "m.png").rename(folder / "masks" / "p0.png")
    with pytest.raises(CaptureError, match=r"its mask p0\.png: 40000x30000 pixels"):
        read_photos(folder)


@pytest.mark.slow
def test_a_picture_of_400_megapixels_is_scaled_and_said_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    ramp = np.tile(np.linspace(0, 255, 20000).astype(np.uint8), (20000, 1))
    Image.fromarray(ramp).save(tmp_path / "vast.jpg", quality=60)
    del ramp
    with caplog.at_level(logging.WARNING):
        photos = read_photos(tmp_path, ReadConfig(max_side=200)).photos
    assert photos.size == (200, 200)
    assert (photos.images[0, 0, 100].float() - torch.linspace(0, 255, 200)).abs().max() < 4
    assert "vast.jpg has 20000x20000 pixels; it is read at 200x200" in caplog.text


def test_posed_files_are_turned_only_where_the_dataset_asks(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture().save(tmp_path / "a.png", exif=exif)
    sizes = {}
    for stated in (None, (48, 64), (96, 128), (64, 48)):
        file = PhotoFile(tmp_path / "a.png", "a.png", orientation="stated", stated_size=stated)
        sizes[stated] = load_photos([file], ReadConfig()).sizes[0]
    assert sizes == {None: (48, 64), (48, 64): (48, 64), (96, 128): (48, 64), (64, 48): (64, 48)}
    with pytest.raises(CaptureError, match="64x48 pixels, but its camera has 64x64"):
        load_photos([PhotoFile(tmp_path / "a.png", "a", orientation="stated", stated_size=(64, 64))], ReadConfig())


def test_memory_is_the_photos_and_few_decoded_files(tmp_path: Path):
    for k in range(24):
        picture(k, 400, 300).save(tmp_path / f"{k}.png")
    tracemalloc.start()
    photos = read_photos(tmp_path).photos
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * 400 * 300 * 4
    assert photos.images.untyped_storage().nbytes() == photos.images.numel()


def test_places_of_used_photos_come_by_name(tmp_path: Path):
    for number, seed in enumerate((0, 1, 1, 3)):
        exif = Image.Exif()
        exif[0x0112] = 1
        if number != 3:
            exif.get_ifd(0x8825).update({1: "N", 2: (50.0 + number, 0.0, 0.0), 3: "E", 4: (7.0, 0.0, 0.0)})
        picture(seed).save(tmp_path / f"{number}.png", exif=exif)
    (tmp_path / "4.png").write_bytes(b"")
    reading = read_photos(tmp_path)
    assert reading.photos.names == ("0.png", "1.png", "3.png")
    assert reading.places == {"0.png": Place(50.0, 7.0), "1.png": Place(51.0, 7.0)}
