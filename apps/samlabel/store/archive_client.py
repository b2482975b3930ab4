"""DICOMweb client of an archive: its login, time-outs, and no retries but of a connection that was just ended.

The library waits for ever, and asks an archive that is down five times, pausing half a minute in all: a reader would
stare at a page that hangs. Here the first failure is the answer, and the next request tries again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
import structlog
from monailabel.datastore.dicom import DICOMwebClientX
from requests.adapters import HTTPAdapter

from samlabel.errors import ArchiveError, NotFoundError
from samlabel.host.handle import archive_settings

log = structlog.get_logger(__name__)

CONNECT_S = 5.0
LOOPBACK = {"127.0.0.1", "localhost", "::1"}

# Some archives assemble a whole series before they send the first byte.
READ_S = 120.0


class _Waiting(HTTPAdapter):
    """Every request ends, one way or the other."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send with our patience where the caller names none."""
        options["timeout"] = options.get("timeout") or (CONNECT_S, READ_S)
        try:
            return super().send(request, *args, **options)
        except requests.ConnectionError as error:
            # a kept connection may end in the moment in which it is used again: see `routes/proxy.py`
            if request.method != "GET" or isinstance(error, requests.Timeout):
                raise
            return super().send(request, *args, **options)


def archive_client(address: str) -> DICOMwebClientX:
    """The client for an address, with the login and prefixes of the host's settings."""
    prefixes = archive_settings().prefixes
    client = DICOMwebClientX(
        url=address.strip().rstrip("/"),
        session=_session(address),
        qido_url_prefix=prefixes["qido"],
        wado_url_prefix=prefixes["wado"],
        stow_url_prefix=prefixes["stow"],
    )
    client.set_http_retry_params(retry=False)
    return client


def _session(address: str) -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Waiting())
    # A company's web proxy must not be asked for this machine.
    session.trust_env = urlsplit(address).hostname not in LOOPBACK
    session.auth = archive_settings().login
    return session


@contextmanager
def archive_errors(series: str | None = None) -> Iterator[None]:
    """The archive's failures as sentences."""
    try:
        yield
    except IndexError:
        raise NotFoundError(f"the DICOMweb archive has no series {series}", "image") from None
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status == 404 and series:
            raise NotFoundError(f"the DICOMweb archive has no series {series}", "image") from None
        hint = "; set MONAI_LABEL_DICOMWEB_USERNAME and _PASSWORD" if status in (401, 403) else ""
        raise ArchiveError(f"the DICOMweb archive answered with status {status}{hint}", "studies") from error
    except requests.RequestException as error:
        log.warning("archive unreachable", reason=repr(error))
        raise ArchiveError(
            "the DICOMweb archive cannot be reached; check its address and that it runs", "studies"
        ) from None
