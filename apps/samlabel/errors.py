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
  LoginAwayError   the login service cannot be asked
  ArchiveError     the DICOMweb archive does not answer
  LoginError       nobody is logged in, or the password is wrong
  WaitError        too many wrong passwords: ask again later
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


class LoginAwayError(SamError):
    """A login service that does not answer, or not as one."""

    def __init__(self, message: str = "the login service cannot be asked: try again, or ask its people") -> None:
        super().__init__(message)


class ArchiveError(SamError):
    """A DICOMweb archive that does not answer."""


class LoginError(SamError):
    """Nobody is logged in, or the server does not know whoever asks."""


class WaitError(SamError):
    """Too many wrong passwords came from there: ask again later."""

    def __init__(self, message: str, seconds: float = 1.0) -> None:
        super().__init__(message, "password")
        self.seconds = seconds
