"""A login by a provider, from the browser's way there to the person who comes back."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from samlabel.errors import LoginAwayError, LoginError
from samlabel.logins.secrets import digest
from samlabel.oidc.attempts import Attempt, Attempts
from samlabel.oidc.id_token import checked
from samlabel.oidc.provider import Provider
from samlabel.oidc.settings import OidcSettings

MOST_SESSIONS = 5000

# As readers' names are everywhere else.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


@dataclass(frozen=True)
class VouchedPerson:
    """Somebody whom the provider knows, and what the groups make of them here."""

    name: str
    role: str
    subject: str  # the provider's own name of the person, which never changes
    projects: tuple[str, ...]  # whose cases an annotator sees
    id_token: str = field(repr=False)  # shown to the provider again at the end


class OidcLogin:
    """Logins at one provider."""

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self.provider = Provider(settings)
        self._attempts = Attempts()
        self._tokens: OrderedDict[str, str] = OrderedDict()  # of sessions, by their hashes
        self._lock = threading.Lock()

    def begin(self, back_to: str, browser: str = "") -> tuple[str, Attempt]:
        """The provider's address for a browser, and what the browser keeps."""
        attempt = self._attempts.begin(back_to, browser)
        address, _ = self.provider.session().create_authorization_url(
            self.provider.document()["authorization_endpoint"],
            state=attempt.state,
            nonce=attempt.nonce,
            code_verifier=attempt.verifier,
        )
        return str(address), attempt

    def finish(self, query: Mapping[str, str], browser: str) -> tuple[VouchedPerson, Attempt]:
        """Who came back; everything that does not fit is a refusal with its reason."""
        attempt = self._attempts.end(query.get("state", ""), browser)
        if "error" in query:
            raise LoginError(f"the login service says {query['error'][:60]!r}: log in again, or ask its people")
        if not query.get("code"):
            raise LoginError("the login service sent no code: log in again", "code")
        tokens = self.provider.exchange(query["code"], attempt.verifier)
        access, raw = tokens.get("access_token"), tokens.get("id_token")
        claims = dict(checked(raw, self.provider, attempt.nonce, access))
        return self._person(claims, str(raw), str(access or "")), attempt

    def remember(self, secret: str, id_token: str) -> None:
        """Keep the token that a session began with until its end, in memory."""
        with self._lock:
            self._tokens[digest(secret)] = id_token
            while len(self._tokens) > MOST_SESSIONS:
                self._tokens.popitem(last=False)

    def logout_address(self, secret: str) -> str | None:
        """Where a browser ends its login at the provider too.

        None where the session did not begin there (or before the server's last start), or the provider has no such
        address or does not answer.
        """
        with self._lock:
            id_token = self._tokens.pop(digest(secret), None)
        try:
            address = self.provider.document().get("end_session_endpoint") if id_token is not None else None
        except LoginAwayError:
            return None
        if not isinstance(address, str) or id_token is None:
            return None
        told = {
            "id_token_hint": id_token,
            "post_logout_redirect_uri": f"{self.settings.address}/",
            "client_id": self.settings.client,
        }
        return f"{address}{'&' if '?' in address else '?'}{urlencode(told)}"

    def _person(self, claims: dict[str, Any], raw: str, access: str) -> VouchedPerson:
        subject = str(claims["sub"])
        if access and (_found(claims, self.settings.groups_claim) is None or not claims.get(self.settings.name_claim)):
            more = self.provider.person(access)
            if more.get("sub", subject) != subject:
                raise LoginError("the login service tells of somebody else than its token")
            claims = {**more, **claims}
        told = (str(claims.get(claim) or "") for claim in (self.settings.name_claim, "email", "sub"))
        name = next((text for text in told if _NAME.fullmatch(text)), None)
        if name is None:
            raise LoginError(
                f"the login service tells no name of letters, digits or ._@+- in {self.settings.name_claim}, email or "
                "sub: set oidc_name_claim"
            )
        groups = _groups(_found(claims, self.settings.groups_claim))
        role = self.settings.role_of(groups)
        if role is None:
            raise LoginError(
                f"{name} is in none of the groups that may use this server (setting oidc_roles): ask its administrator"
            )
        return VouchedPerson(name, role, subject, self.settings.projects_of(groups), raw)


def _found(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name; `#` goes into objects, as in `realm_access#roles`."""
    found: Any = claims
    for part in path.split("#"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _groups(found: Any) -> Sequence[str]:
    if isinstance(found, str):
        return found.split()
    return [str(group) for group in found] if isinstance(found, list) else []
