"""Pictures inside a page: small, upright, and honest about errors."""

import base64
import io
from pathlib import Path

import pytest
import torch
from PIL import Image

from photoreal.core import FormatError, Matches
from photoreal.view.pictures import (
    ERROR_CEILING,
    Picture,
    embed,
    embed_file,
    error_map,
    heat,
    match_picture,
    pca_colours,
    read_pixels,
)


def opened(picture: Picture) -> Image.Image:
    header, content = picture.uri.split(",")
    assert header == "data:image/webp;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_embedded_pictures_keep_their_shape_and_colour() -> None:
    pixels = torch.tensor([200, 60, 30], dtype=torch.uint8)[:, None, None].expand(3, 300, 400)
    picture = embed(pixels, 100)
    image = opened(picture)
    assert image.size == (picture.width, picture.height) == (100, 75)
    assert max(abs(a - b) for a, b in zip(image.convert("RGB").getpixel((50, 40)), (200, 60, 30), strict=True)) <= 4


def test_small_pictures_are_not_enlarged() -> None:
    assert embed(torch.zeros(3, 20, 30, dtype=torch.uint8), 100).width == 30


def test_files_are_turned_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (80, 40), "red")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif)
    picture = embed_file(tmp_path / "turned.jpg", 100)
    assert (picture.width, picture.height) == (40, 80)


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK", "P", "I;16"])
def test_files_of_any_mode_can_be_shown(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (50, 40)).save(tmp_path / "photo.tiff")
    assert embed_file(tmp_path / "photo.tiff", 20).width == 20


def test_broken_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no photo")
    Image.effect_noise((300, 300), 50).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:3000])
    for name in ("text.jpg", "half.jpg", "absent.jpg"):
        with pytest.raises(FormatError, match=name.replace(".", r"\.")):
            embed_file(tmp_path / name, 20)
        with pytest.raises(FormatError, match=name.replace(".", r"\.")):
            read_pixels(tmp_path / name)


def test_huge_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("RGB", (40, 40)).save(tmp_path / "huge.png")
    with pytest.raises(FormatError, match=r"huge\.png"):
        embed_file(tmp_path / "huge.png", 20)


def test_heat_grows_lighter_with_the_error() -> None:
    colours = heat(torch.linspace(-0.5, 1.5, 101)[None])[:, 0].float()
    lightness = 0.2126 * colours[0] + 0.7152 * colours[1] + 0.0722 * colours[2]
    assert bool((lightness.diff() >= -0.5).all())
    assert torch.equal(colours[:, 0], colours[:, 25])
    assert torch.equal(colours[:, -1], colours[:, 75])


def test_error_map_is_the_mean_difference_and_keeps_off_the_mask() -> None:
    photo = torch.zeros(3, 4, 5, dtype=torch.uint8)
    render = photo.clone()
    render[0, 1, 2] = round(255 * 3 * ERROR_CEILING)  # the mean over channels is then the ceiling
    mask = torch.ones(4, 5, dtype=torch.bool)
    mask[3] = False
    found = error_map(photo, render, mask)
    assert torch.equal(found[:3, 1, 2], heat(torch.ones(1, 1))[:, 0, 0])
    assert torch.equal(found[:3, 0, 0], heat(torch.zeros(1, 1))[:, 0, 0])
    assert found[3].bool().equal(mask)


def test_principal_components_become_colours_of_falling_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 3, 20, 30, generator=generator) * torch.tensor([9.0, 4.0, 2.0])[:, None, None]
    turn = torch.linalg.qr(torch.randn(8, 8, generator=generator)).Q[:, :3]
    colours = pca_colours(torch.einsum("ck,vkhw->vchw", turn, hidden) + 7)
    assert colours.shape == (2, 3, 20, 30)
    assert float(colours.min()) == 0
    assert float(colours.max()) == 1
    for channel in range(3):
        pair = torch.stack([colours[:, channel].flatten(), hidden[:, channel].flatten()])
        assert abs(float(torch.corrcoef(pair)[0, 1])) > 0.98


def test_alike_descriptors_have_alike_colours_in_every_view() -> None:
    features = torch.randn(1, 16, 6, 9, generator=torch.Generator().manual_seed(1))
    colours = pca_colours(torch.cat([features, features.flip(3)]))
    torch.testing.assert_close(colours[0], colours[1].flip(2))
    assert not torch.allclose(colours[0], colours[1], atol=0.1)


def test_colours_do_not_hang_on_the_sign_of_an_eigenvector_nor_on_scale() -> None:
    features = torch.randn(2, 16, 6, 9, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(pca_colours(features), pca_colours(1000 * features + 3), atol=1e-4, rtol=0)
    torch.testing.assert_close(pca_colours(features), pca_colours(features.flip(0)).flip(0))
    first = torch.zeros(1, 4, 2, 50)
    first[0, 1] = torch.linspace(0, -1, 50)
    assert bool((pca_colours(first)[0, 0].diff(dim=1) <= 0).all())
    assert bool((pca_colours(-first)[0, 0].diff(dim=1) >= 0).all())


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_what_has_no_three_components_is_grey_in_the_others(channels: int) -> None:
    features = torch.zeros(1, channels, 4, 5)
    assert torch.equal(pca_colours(features), torch.full((1, 3, 4, 5), 0.5))
    features[0, 0] = torch.linspace(0, 1, 20).reshape(4, 5)
    red, *others = pca_colours(features)[0]
    assert float(red[0, 0]) == 0
    assert float(red[-1, -1]) == 1
    assert all(torch.equal(channel, torch.full((4, 5), 0.5)) for channel in others)


def matches(first: list[list[float]], second: list[list[float]], confidence: list[float]) -> Matches:
    return Matches(torch.tensor(first), torch.tensor(second), torch.tensor(confidence))


def grey(height: int, width: int, level: int) -> torch.Tensor:
    return torch.full((3, height, width), level, dtype=torch.uint8)


def test_photos_of_two_sizes_stand_side_by_side() -> None:
    none = Matches(torch.zeros(0, 2), torch.zeros(0, 2), torch.zeros(0))
    picture = match_picture(grey(20, 30, 50), grey(40, 10, 90), none)
    assert picture.shape == (3, 40, 40)
    assert bool((picture[:, :20, :30] == 50).all())
    assert bool((picture[:, :, 30:] == 90).all())
    assert bool((picture[:, 20:, :30] == 0).all())


def test_a_line_joins_the_places_in_the_colour_of_the_confidence() -> None:
    found = matches([[10.5, 8.5]], [[20.5, 8.5]], [1.0])
    picture = match_picture(grey(16, 30, 0), grey(16, 30, 0), found)
    surest = heat(torch.ones(1, 1))[:, 0, 0]
    drawn = (picture == surest[:, None, None]).all(0)
    assert bool(drawn[8, 10:51].all())
    assert not bool(drawn[8, :8].any() or drawn[8, 53:].any() or drawn[:6].any() or drawn[11:].any())


def test_surer_matches_are_lighter_and_lie_on_top() -> None:
    found = matches([[5.5, 5.5], [5.5, 5.5]], [[5.5, 5.5], [5.5, 5.5]], [0.9, 0.1])
    assert torch.equal(
        match_picture(grey(12, 12, 0), grey(12, 12, 0), found),
        match_picture(grey(12, 12, 0), grey(12, 12, 0), found.map(lambda tensor: tensor[:1])),
    )


def test_no_more_lines_are_drawn_than_asked_for() -> None:
    rows = [[2.5, 4.0 * k + 4.5] for k in range(20)]
    found = matches(rows, rows, [0.5] * 20)
    picture = match_picture(grey(90, 20, 0), grey(90, 20, 0), found, most=5)
    assert int((picture[:, :, 12].float().sum(0) > 0).sum()) == 5
