"""Overlay pictures (PNG) of masks on their images: three planes of one, or a contact sheet of many."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from sam_infer.arrays import BoolArray, UInt8Array
from sam_infer.errors import SamError
from sam_infer.files import write_whole
from sam_infer.imaging.image_file import read_image, read_mask
from sam_infer.imaging.volume import Mask, Volume
from sam_infer.imaging.window import choose_window

SHEET = "contact_sheet.png"

# Pixels: of a preview's longer side, of one case on a sheet, and of the line of text under it.
SIDE, TILE, CAPTION = 512, 192, 14

# Told apart by people who see red and green alike, too; labels beyond them begin again.
COLOURS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
INSIDE = 0.35  # how much of the colour is laid over the picture; the edge has all of it


def preview_path(mask: Path, suffix: str) -> Path:
    """Where the preview of a mask file goes: beside it."""
    return mask.with_name(f"{mask.name[: len(mask.name) - len(suffix)]}_preview.png")


def preview(volume: Volume, mask: Mask) -> Image.Image:
    """The mask where there is most of it: across all three axes, or the only slice of a picture."""
    flat = 1 in volume.geometry.shape
    axes = [int(np.argmin(volume.geometry.shape))] if flat else [2, 1, 0]
    planes = [_plane(volume, mask, axis) for axis in axes]
    sheet = Image.new("RGB", (sum(plane.width for plane in planes), max(plane.height for plane in planes)))
    left = 0
    for plane in planes:
        sheet.paste(plane, (left, 0))
        left += plane.width
    return sheet


def write_preview(volume: Volume, mask: Mask, path: Path) -> Path:
    """Write the preview; appears whole or not at all."""
    picture = preview(volume, mask)
    write_whole(path, lambda part: picture.save(part))
    return path


def write_contact_sheet(cases: Iterable[tuple[str, Path, Path]], path: Path) -> Path | None:
    """One tile for each case (name, image, mask) that can be read: the slice across k with most of its mask."""
    tiles = [(name, tile) for name, image, mask in cases if (tile := _tile(image, mask)) is not None]
    if not tiles:
        return None
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    sheet = Image.new("RGB", (columns * TILE, rows * (TILE + CAPTION)))
    draw = ImageDraw.Draw(sheet)
    for number, (name, tile) in enumerate(tiles):
        row, column = divmod(number, columns)
        place = (column * TILE + (TILE - tile.width) // 2, row * (TILE + CAPTION) + (TILE - tile.height) // 2)
        sheet.paste(tile, place)
        draw.text((column * TILE + 2, row * (TILE + CAPTION) + TILE), name[: TILE // 6].encode("ascii", "replace"))
    write_whole(path, lambda part: sheet.save(part))
    return path


def _tile(image: Path, mask: Path) -> Image.Image | None:
    try:
        volume, labels = read_image(image), read_mask(mask)
        tile = _plane(volume, labels, 2)
    except (SamError, ValueError):  # its own line of the run says what is wrong with it
        return None
    tile.thumbnail((TILE, TILE))
    return tile


def _plane(volume: Volume, mask: Mask, axis: int) -> Image.Image:
    """One slice as a radiologist looks at it, with square pixels."""
    others = tuple(other for other in range(3) if other != axis)
    counts = np.count_nonzero(mask.array, axis=others)
    view = volume.view(axis, int(counts.argmax()) if counts.any() else volume.geometry.shape[axis] // 2)
    grey = choose_window(volume).apply(volume.pixels(view))
    coloured = _coloured(grey, view.extract(mask.array))
    height, width = view.height * view.pixel_mm[0], view.width * view.pixel_mm[1]
    scale = SIDE / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    larger = size[0] >= view.width and size[1] >= view.height
    return Image.fromarray(coloured).resize(size, Image.Resampling.NEAREST if larger else Image.Resampling.BICUBIC)


def _coloured(pixels: UInt8Array, labels: UInt8Array) -> UInt8Array:
    """Pixels (H, W) or (H, W, 3) with every label in its colour."""
    shown = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels.copy()
    for value in np.unique(labels[labels > 0]):
        colour, inside = np.array(_colour(int(value)), np.float64), labels == value
        shown[inside] = np.rint((1 - INSIDE) * shown[inside] + INSIDE * colour)
        shown[_edge(inside)] = colour
    return np.ascontiguousarray(shown)


def _edge(inside: BoolArray) -> BoolArray:
    """Pixels of a region with a neighbour outside it."""
    padded = np.pad(inside, 1)
    kept = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(inside & ~kept)


def _colour(value: int) -> Sequence[int]:
    return COLOURS[(value - 1) % len(COLOURS)]
