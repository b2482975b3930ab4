"""A viewer's page, settings, style sheets and scripts, as we serve them.

Nothing of a viewer is changed on disk. Its settings name our extension and our mode, which it loads at run time, and
our archive; fonts and style sheets from the internet, for which an isolated machine would wait, are left out; a viewer
that was built to lie at the root of its server is told that it lies below `/ohif/`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from samlabel.errors import NotFoundError

BASE = "/ohif/"
SETTINGS = "app-config.js"

# Our mode goes first, so that it is the first button of a study.
_OURS = """
// samlabel: our archive, and two modules that the viewer loads at run time
Object.assign(window.config, {
  routerBasename: '/ohif/',
  showStudyList: true,
  extensions: [...(window.config.extensions || []), '/ohif/extension.js'],
  modes: ['/ohif/mode.js', ...(window.config.modes || [])],
  defaultDataSourceName: 'dicomweb',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
    sourceName: 'dicomweb',
    configuration: {
      friendlyName: 'samlabel',
      name: 'samlabel',
      wadoUriRoot: '/proxy/dicom/wado',
      qidoRoot: '/proxy/dicom/qido',
      wadoRoot: '/proxy/dicom/wado',
      qidoSupportsIncludeField: true,
      supportsReject: true,
      imageRendering: 'wadors',
      thumbnailRendering: 'wadors',
      enableStudyLazyLoad: false,
      supportsFuzzyMatching: true,
      supportsWildcard: true,
      dicomUploadEnabled: true,
      bulkDataURI: { enabled: true },
    },
  }],
});
"""

_FOREIGN = re.compile(r'<link\b[^>]*(?:href="?https?://)[^>]*>', re.IGNORECASE)
_IMPORT = re.compile(r"""@import\s+(?:url\()?["']?https?://[^;]*;""", re.IGNORECASE)

# A viewer that was built for the root of a server: in its page, in scripts that load others, in style sheets.
_PUBLIC_URL = re.compile(r"""(PUBLIC_URL\s*=\s*)(["'])/\2""")
_ROOTED = re.compile(r'\b(href|src|content)="/(?!/|ohif/)')
_PUBLIC_PATH = re.compile(rb"""(\b__webpack_require__\.p\s*=\s*)(["'])/\2""")
_ROOTED_URL = re.compile(r"""url\((["']?)/(?!/|ohif/)""")


@lru_cache(maxsize=4)
def page(viewer: Path) -> str:
    """A viewer's page."""
    index = viewer / "index.html"
    if not index.is_file():
        raise NotFoundError("this installation of monailabel has no OHIF viewer; install it from its wheel", "ohif")
    text = _PUBLIC_URL.sub(rf"\1\g<2>{BASE}\2", _FOREIGN.sub("", index.read_text()))
    return _ROOTED.sub(rf'\1="{BASE}', text)


@lru_cache(maxsize=4)
def settings(viewer: Path) -> str:
    """A viewer's settings, with our archive, our extension and our mode."""
    return (viewer / SETTINGS).read_text() + _OURS


@lru_cache(maxsize=64)
def style_sheet(file: Path) -> str:
    """A style sheet without those that it fetches from the internet."""
    return _ROOTED_URL.sub(rf"url(\1{BASE}", _IMPORT.sub("", file.read_text()))


@lru_cache(maxsize=1024)
def loading_script(file: Path) -> bytes | None:
    """A script that loads others, told to look for them below our address; None for one that needs no telling."""
    told, places = _PUBLIC_PATH.subn(rb"\1\g<2>%b\2" % BASE.encode(), file.read_bytes())
    return told if places else None
