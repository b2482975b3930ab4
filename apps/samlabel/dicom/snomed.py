"""SNOMED CT codes of label names, as DICOM SEG wants them.

A name that is not in the table is never given somebody else's code: it gets a private one that carries the name.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from pydicom.sr.coding import Code

SCT = "SCT"
PRIVATE = "99SAMLABEL"

# Code values are at most 16 characters long.
PRIVATE_DIGITS = 12
MAX_MEANING = 64

ANATOMY = Code("123037004", SCT, "Anatomical Structure")
ABNORMAL = Code("49755003", SCT, "Morphologically Abnormal Structure")
LEFT, RIGHT = Code("7771000", SCT, "Left"), Code("24028007", SCT, "Right")

# Our names, each with what else people and other tools call it.
_ORGANS = {
    "liver": ("10200004", "Liver"),
    "spleen": ("78961009", "Spleen"),
    "kidney": ("64033007", "Kidney"),
    "pancreas": ("15776009", "Pancreas"),
    "gallbladder": ("28231008", "Gallbladder"),
    "stomach": ("69695003", "Stomach"),
    "esophagus": ("32849002", "Esophagus"),
    "duodenum": ("38848004", "Duodenum"),
    "small_bowel": ("30315005", "Small intestine"),
    "colon": ("71854001", "Colon"),
    "rectum": ("34402009", "Rectum"),
    "aorta": ("15825003", "Aorta"),
    "inferior_vena_cava": ("64131007", "Inferior Vena Cava"),
    "portal_vein": ("32764006", "Portal Vein"),
    "adrenal_gland": ("23451007", "Adrenal gland"),
    "urinary_bladder": ("89837001", "Bladder"),
    "prostate": ("41216001", "Prostate"),
    "uterus": ("35039007", "Uterus"),
    "lung": ("39607008", "Lung"),
    "trachea": ("44567001", "Trachea"),
    "heart": ("80891009", "Heart"),
    "left_ventricle": ("87878005", "Left Ventricle"),
    "right_ventricle": ("53085002", "Right ventricle"),
    "left_atrium": ("82471001", "Left atrium"),
    "brain": ("12738006", "Brain"),
    "hippocampus": ("5366008", "Hippocampus"),
    "spinal_cord": ("2748008", "Spinal cord"),
    "eye": ("81745001", "Eye"),
    "parotid_gland": ("45289007", "Parotid gland"),
    "mandible": ("91609006", "Mandible"),
    "vertebra": ("51282000", "Vertebra"),
    "rib": ("113197003", "Rib"),
    "sacrum": ("54735007", "Sacrum"),
    "femur": ("71341001", "Femur"),
    "bone": ("272673000", "Bone"),
    "breast": ("76752008", "Breast"),
    "lymph_node": ("59441001", "Lymph node"),
}
_FINDINGS = {
    "tumor": ("108369006", "Neoplasm"),
    "nodule": ("27925004", "Nodule"),
    "mass": ("4147007", "Mass"),
    "cyst": ("367643001", "Cyst"),
    "edema": ("79654002", "Edema"),
    "hemorrhage": ("50960005", "Hemorrhage"),
    "necrosis": ("6574001", "Necrosis"),
    "lesion": ("52988006", "Lesion"),
}
_ALSO = {
    "oesophagus": "esophagus",
    "gall_bladder": "gallbladder",
    "bladder": "urinary_bladder",
    "ivc": "inferior_vena_cava",
    "postcava": "inferior_vena_cava",
    "small_intestine": "small_bowel",
    "bowel": "small_bowel",
    "tumour": "tumor",
    "neoplasm": "tumor",
    "haemorrhage": "hemorrhage",
    "oedema": "edema",
    "vertebrae": "vertebra",
    "kidneys": "kidney",
    "lungs": "lung",
    "adrenal": "adrenal_gland",
    "skin_lesion": "lesion",
    "large_bowel": "colon",
}

# The sides of these are parts of the organ's own name, not a side of the body.
_SIDED = {"left_ventricle", "right_ventricle", "left_atrium"}


@dataclass(frozen=True)
class Meaning:
    """Category and type of a label, and its side where it has one."""

    category: Code
    type: Code
    side: Code | None = None


def meaning_of(name: str) -> Meaning:
    """What a label name stands for; a private code when it is in no table."""
    plain = re.sub(r"[\s_-]+", "_", name.strip().lower())
    side = None
    if plain not in _SIDED:
        plain, side = _without_side(plain)
    plain = _ALSO.get(plain, plain)
    if plain in _ORGANS:
        return Meaning(ANATOMY, _sct(_ORGANS[plain]), side)
    if plain in _FINDINGS:
        return Meaning(ABNORMAL, _sct(_FINDINGS[plain]), side)
    return Meaning(ANATOMY, private_code(name))


def private_code(name: str) -> Code:
    """A code of ours for a name that the tables lack: the same name, the same code."""
    digest = hashlib.blake2b(name.encode(), digest_size=8).hexdigest()[:PRIVATE_DIGITS]
    return Code(f"L{digest}".upper(), PRIVATE, _shortened(name))


def _shortened(text: str) -> str:
    # Backslashes separate values in DICOM.
    clean = "".join(character for character in text.replace("\\", "/") if character.isprintable()).strip()
    return clean[:MAX_MEANING] or "unnamed"


def _sct(entry: tuple[str, str]) -> Code:
    return Code(entry[0], SCT, entry[1])


def _without_side(name: str) -> tuple[str, Code | None]:
    """`kidney_left`, `left_kidney` and `l_kidney` are a kidney and its side."""
    parts = name.split("_")
    for words, side in (({"left", "l"}, LEFT), ({"right", "r"}, RIGHT)):
        rest = [part for part in parts if part not in words]
        if rest and len(rest) == len(parts) - 1 and (parts[0] in words or parts[-1] in words):
            return "_".join(rest), side
    return name, None
