"""QIDO-RS search: which studies, series or instances match, and what is told about them (DICOM PS3.18).

Attributes that the index does not keep are read from the first file of the study or series, so any attribute may be
asked for or matched; only one file per result is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword

from samlabel.dicom_store.index import CHARACTER_SET, INSTANCE_TAGS, SERIES_TAGS, STUDY_TAGS, Instance, tag_of

LEVELS = ("studies", "series", "instances")
LEVEL_TAGS = (STUDY_TAGS, SERIES_TAGS, INSTANCE_TAGS)
CONTROLS = {"limit", "offset", "fuzzymatching", "includefield"}
MODALITIES_IN_STUDY, RETRIEVE_URL = tag_of("ModalitiesInStudy"), tag_of("RetrieveURL")
RANGES = {"DA", "TM", "DT"}

Attributes = dict[str, dict[str, Any]]
Header = Callable[[Instance], Attributes]


class QueryError(ValueError):
    """A search that cannot be understood."""


@dataclass(frozen=True)
class Query:
    """One search: tag to wanted value, further attributes to return, and which part of the results."""

    filters: Mapping[str, str] = field(default_factory=dict)
    fields: frozenset[str] = frozenset()
    everything: bool = False
    limit: int | None = None
    offset: int = 0
    fuzzy: bool = False

    @classmethod
    def parse(cls, pairs: Iterable[tuple[str, str]]) -> Query:
        """The search in a URL's query string; attributes are keywords or eight hex digits."""
        items = list(pairs)
        controls = {key.lower(): value for key, value in items if key.lower() in CONTROLS}
        names = [n.strip() for key, value in items if key.lower() == "includefield" for n in value.split(",")]
        return cls(
            {_tag(key): value for key, value in items if key.lower() not in CONTROLS and value},
            frozenset(_tag(name) for name in names if name and name.lower() != "all"),
            any(name.lower() == "all" for name in names),
            _count(controls, "limit"),
            _count(controls, "offset") or 0,
            controls.get("fuzzymatching", "").lower() == "true",
        )


def search(instances: Iterable[Instance], level: str, query: Query, root: str, header: Header) -> list[Attributes]:
    """The results of a search at a level, `root` being the address that retrieve URLs start with.

    `instances` come in the index's order: those of one study, and of one series, stand together.
    """
    depth = LEVELS.index(level)
    groups = [list(group) for _, group in groupby(instances, key=lambda i: i.uids[: depth + 1])]
    studies: dict[str, list[Instance]] = {group[0].uids[0]: [] for group in groups}
    for group in groups:
        studies[group[0].uids[0]] += group
    found = []
    for group in groups:
        result = _attributes(group, studies[group[0].uids[0]], depth, root)
        needed = {tag for tag in query.filters if tag not in result and tag not in group[0].attributes}
        wanted = query.fields - result.keys()
        known = {**result, **header(group[0])} if needed or wanted or query.everything else result
        known = {**group[0].attributes, **known}
        if all(_matches(known.get(tag, {}), value, tag, query.fuzzy) for tag, value in query.filters.items()):
            more = known if query.everything else {tag: known[tag] for tag in query.fields if tag in known}
            found.append(dict(sorted({**more, **result}.items())))
    end = None if query.limit is None else query.offset + query.limit
    return found[query.offset : end]


def _attributes(group: list[Instance], study: list[Instance], depth: int, root: str) -> Attributes:
    """What is always told about a result: its own level and those above."""
    first = group[0]
    tags = [tag for level in LEVEL_TAGS[: depth + 1] for tag in level]
    told = {tag: first.attributes[tag] for tag in tags if tag in first.attributes}
    told[CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # JSON is UTF-8, whatever the file was
    path = "".join(f"/{level}/{uid}" for level, uid in zip(LEVELS, first.uids[: depth + 1], strict=False))
    told[RETRIEVE_URL] = {"vr": "UR", "Value": [root + path]}
    told[tag_of("InstanceAvailability")] = {"vr": "CS", "Value": ["ONLINE"]}
    series = {instance.uids[1] for instance in study}
    told[MODALITIES_IN_STUDY] = {"vr": "CS", "Value": sorted({i.value("Modality") for i in study} - {""})}
    if depth == 0:
        told[tag_of("NumberOfStudyRelatedSeries")] = {"vr": "IS", "Value": [len(series)]}
        told[tag_of("NumberOfStudyRelatedInstances")] = {"vr": "IS", "Value": [len(study)]}
    if depth == 1:
        told[tag_of("NumberOfSeriesRelatedInstances")] = {"vr": "IS", "Value": [len(group)]}
    return told


def _matches(element: Mapping[str, Any], wanted: str, tag: str, fuzzy: bool) -> bool:
    """Whether one attribute's values fit what was asked: list of UIDs, range, wildcard or name."""
    vr = element.get("vr") or (dictionary_VR(int(tag, 16)) if dictionary_has_tag(int(tag, 16)) else "LO")
    values = [_text(value) for value in element.get("Value", [])]
    if vr == "UI" or tag == MODALITIES_IN_STUDY:
        return bool(set(re.split(r"[,\\]", wanted)) & set(values))
    if vr in RANGES and "-" in wanted:
        low, high = wanted.split("-", 1)
        return any(
            (not low or value[: len(low)] >= low) and (not high or value[: len(high)] <= high) for value in values
        )
    if vr == "PN" and fuzzy:
        return any(_same_words(wanted, value) for value in values)
    expression = re.escape(wanted).replace(r"\*", ".*").replace(r"\?", ".")
    flags = re.IGNORECASE if vr == "PN" else 0
    return any(re.fullmatch(expression, value, flags) for value in values or [""])


def _same_words(wanted: str, value: str) -> bool:
    """Fuzzy matching of names: every word asked for begins a word of the name."""
    have = re.split(r"[\s^*?]+", value.lower())
    return all(any(word.startswith(part) for word in have) for part in re.split(r"[\s^*?]+", wanted.lower()) if part)


def _text(value: Any) -> str:
    return str(value.get("Alphabetic", "")) if isinstance(value, dict) else str(value)


def _tag(name: str) -> str:
    if re.fullmatch(r"[0-9A-Fa-f]{8}", name):
        return name.upper()
    number = tag_for_keyword(name)
    if number is None:
        raise QueryError(f"{name[:80]!r} is no DICOM attribute; a keyword or eight hexadecimal digits are expected")
    return f"{number:08X}"


def _count(controls: Mapping[str, str], name: str) -> int | None:
    text = controls.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise QueryError(f"{name} must be a whole number, got {text[:20]!r}")
    return int(text)
