"""Exception types between a client and the core; see sam_infer.errors for the rest.

SamError
  ConfigError      a setting cannot be used
  NotFoundError    an image, label, session or model is not there
  UnsafeNameError  an id, tag or file name must not reach a file system
  RequestError     a request is malformed outside its prompts
  RefusedError     this server does not do that for anybody
  TooLargeError    more bytes than the server takes
  JobError         a job was called off, or its id is taken
  LeasedError      another reader has the case open
  ViewerError      a package is no viewer, or there is no such viewer
  LoginRefusedError  a login that is none
  LoginAwayError   the login service cannot be asked
  ArchiveError     the DICOMweb archive does not answer
"""

from __future__ import annotations

from sam_infer.errors import SamError


class ConfigError(SamError):
    """A setting that cannot be used."""


class NotFoundError(SamError):
    """An image, label, session or model that is not there."""


class UnsafeNameError(SamError):
    """An id, tag or file name that must not reach a file system."""


class RequestError(SamError):
    """A request that is malformed outside its prompts."""


class RefusedError(SamError):
    """Something this server does not do for anybody."""


class TooLargeError(SamError):
    """More bytes than the server takes."""


class JobError(SamError):
    """A job that was called off, or whose id is taken."""


class LeasedError(SamError):
    """A case that another reader has open."""


class ViewerError(SamError):
    """A package that is no viewer, or a viewer that is not there."""


class LoginRefusedError(SamError):
    """A login that lets nobody in."""


class LoginAwayError(SamError):
    """A login service that does not answer, or not as one."""

    def __init__(self, message: str = "the login service cannot be asked: try again, or ask its people") -> None:
        super().__init__(message)


class ArchiveError(SamError):
    """A DICOMweb archive that does not answer."""
