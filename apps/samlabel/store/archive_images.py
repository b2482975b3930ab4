"""The images of an archive's store are the archive's: what is kept here are copies."""

from __future__ import annotations

from typing import Any

from samlabel.errors import RefusedError


class ArchiveImages:
    """Refuses to add or remove images, in front of a store that would."""

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any] | None) -> str:
        """Refused: nobody would ever see an image that the archive does not have."""
        raise RefusedError(
            "the images of this server come from a DICOMweb archive: store the DICOM files there; a file that is only "
            "to be segmented goes to PUT /session/",
            "file",
        )

    def remove_image(self, image_id: str) -> None:
        """Refused: an archive keeps its series."""
        raise RefusedError("the images of this server come from a DICOMweb archive: delete them there", "id")
