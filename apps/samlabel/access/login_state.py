"""Whether logins are on, and everything the gate and the login routes share while a server runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from monailabel.config import settings

from samlabel.access.forwarded import Network
from samlabel.host.login_fix import user_of
from samlabel.logins.login_service import LoginEvent, LoginService, to_log
from samlabel.logins.person import ADMIN, ANNOTATOR, REVIEWER, USER, Person
from samlabel.logins.projects import Case, Seen

if TYPE_CHECKING:
    from samlabel.oidc.login import OidcLogin  # needs authlib, where it is used


@dataclass
class LoginState:
    """Set when the application is put together; tests put another desk in."""

    desk: LoginService | None = None  # the built-in logins; None while they are off
    oidc: OidcLogin | None = None  # logins by a hospital's own service
    proxies: Sequence[Network] = ()  # whose word on addresses is believed
    open_paths: frozenset[str] = frozenset()  # code without data, which a viewer elsewhere loads before any login
    origins: frozenset[str] = field(default_factory=frozenset)  # web sites whose viewer may be handed a login

    cases: Callable[[], Iterable[Case]] | None = None  # of the studies, as projects look at them
    open_to_others: bool = False  # more than this machine may reach the server

    @property
    def on(self) -> bool:
        """Whether anybody has to log in, here or at the realm that the host's settings name."""
        return self.desk is not None or bool(settings.MONAI_LABEL_AUTH_ENABLE)

    def seen(self, person: Person | None) -> Seen | None:
        """What somebody sees who does not see every case; None for whoever does. It may ask the archive."""
        if person is None or person.may(REVIEWER) or self.desk is None or not self.desk.projects.all():
            return None
        return self.desk.projects.seen_by(person, self.cases() if self.cases is not None else ())

    def tell(self, event: LoginEvent) -> None:
        """Have something recorded."""
        (self.desk.tell if self.desk is not None else to_log)(event)

    async def by_password(self, desk: LoginService, name: str, password: str, where: str) -> Person:
        """Who has this name and password. Whoever sends a thousand waits here, in no thread that others need."""
        return await to_thread.run_sync(desk.by_password, name, password, where, limiter=_guesses())

    async def by_bearer(self, secret: str, active: bool) -> Person | None:
        """Who a bearer token stands for: a session or machine of ours, else somebody of the realm."""
        person = self.desk.by_bearer(secret, active) if self.desk is not None else None
        if person is None and settings.MONAI_LABEL_AUTH_ENABLE:
            person = await to_thread.run_sync(_of_realm, secret)  # it may ask the realm for its key
        return person


LOGINS = LoginState()

OPEN = (
    "logins are off and other machines may reach this server: whoever does sees every image and may change every "
    "label; switch them on with the setting logins=true (docs/security.md)"
)

# Passwords that are looked at together: each takes a processor and 64 MB for a moment.
AT_ONCE = 2


@cache
def _guesses() -> CapacityLimiter:
    return CapacityLimiter(AT_ONCE)


def _of_realm(token: str) -> Person | None:
    """Who a token of the realm stands for; a role there that is none of the host's is none here."""
    user = user_of(token)
    if user is None:
        return None
    names = {
        settings.MONAI_LABEL_AUTH_ROLE_ADMIN: ADMIN,
        settings.MONAI_LABEL_AUTH_ROLE_REVIEWER: REVIEWER,
        settings.MONAI_LABEL_AUTH_ROLE_ANNOTATOR: ANNOTATOR,
        settings.MONAI_LABEL_AUTH_ROLE_USER: USER,
    }
    role = next((ours for name, ours in names.items() if name in user.roles), "")
    return Person(str(user.username), role, "realm")
