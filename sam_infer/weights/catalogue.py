"""Catalogue of the published models: name, download address, hashes, and how their weight file is recognised.

Hashes are of the published files. The official SAM names carry the first digits of the file's MD5.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

SAM_FILES = "https://dl.fbaipublicfiles.com/segment_anything"
MOBILE_SAM_COMMIT = "f706ad9c4eb7f219c00d9050e46328518ffb65d2"


@dataclass(frozen=True)
class KnownModel:
    """One published model."""

    name: str
    title: str
    url: str
    layout: str  # which manifest describes its file
    preprocessing: str  # how pixels are shown to it
    sha256: str | None = None
    md5: str | None = None
    prompted_like: str = ""  # which prompting manifest it follows; none: asked once and believed

    @property
    def file_name(self) -> str:
        """What the published file is called."""
        return urlsplit(self.url).path.rpartition("/")[2]

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
            md5="3bb6db55bd0c9ca30b61248bca72f8d6",
        ),
        KnownModel(
            "mobile_sam",
            "MobileSAM, TinyViT",
            f"https://raw.githubusercontent.com/ChaoningZhang/MobileSAM/{MOBILE_SAM_COMMIT}/weights/mobile_sam.pt",
            layout="mobile_sam",
            preprocessing="sam",
            sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
            prompted_like="mobile_sam",
        ),
    )
}
