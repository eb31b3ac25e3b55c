import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from textured import two_squares

from photoreal.io.meshes.pages import decode_page, encode_page, read_seen, write_seen


def test_png_is_exact_and_the_others_are_near() -> None:
    page = torch.linspace(0, 255, 48).expand(3, 48, 48).to(torch.uint8).contiguous()
    assert torch.equal(decode_page(memoryview(encode_page(page))), page)
    for kind in ("jpeg", "webp"):
        near = decode_page(memoryview(encode_page(page, kind, 95)))
        assert float((near.float() - page.float()).abs().mean()) < 2


def test_a_page_that_is_not_square_is_refused() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 4)).save(buffer, "PNG")
    with pytest.raises(ValueError, match="a texture page of 8 x 4 texels"):
        decode_page(buffer.getbuffer())


def test_seen_texels_come_back(tmp_path: Path) -> None:
    mesh = two_squares()
    write_seen(tmp_path / "a.png", mesh)
    assert torch.equal(read_seen(tmp_path / "a.png", (2, 64, 64)), mesh.seen)
    with pytest.raises(ValueError, match="8,192 texels instead of 4,096"):
        read_seen(tmp_path / "a.png", (1, 64, 64))
