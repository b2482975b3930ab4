"""A login by a provider, from the browser's way there to the person who comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from samlabel.errors import LoginRefusedError
from samlabel.oidc.attempts import Attempt, Attempts
from samlabel.oidc.id_token import checked
from samlabel.oidc.provider import Provider
from samlabel.oidc.settings import OidcSettings

MOST_NAME = 64


@dataclass(frozen=True)
class Person:
    """Somebody whom the provider knows, and what the groups make of them here."""

    name: str
    role: str
    subject: str  # the provider's own name of the person, which never changes
    id_token: str = field(repr=False)  # shown to the provider again at the end


class OidcLogin:
    """Logins at one provider."""

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self.provider = Provider(settings)
        self._attempts = Attempts()

    def begin(self, back_to: str) -> tuple[str, Attempt]:
        """The provider's address for a browser, and what the browser keeps."""
        attempt = self._attempts.begin(back_to)
        address, _ = self.provider.session().create_authorization_url(
            self.provider.document()["authorization_endpoint"],
            state=attempt.state,
            nonce=attempt.nonce,
            code_verifier=attempt.verifier,
        )
        return str(address), attempt

    def finish(self, query: Mapping[str, str], browser: str) -> tuple[Person, Attempt]:
        """Who came back; everything that does not fit is a refusal with its reason."""
        attempt = self._attempts.end(query.get("state", ""), browser)
        if "error" in query:
            raise LoginRefusedError(f"the login service says {query['error'][:60]!r}: log in again, or ask its people")
        if not query.get("code"):
            raise LoginRefusedError("the login service sent no code: log in again", "code")
        tokens = self.provider.exchange(query["code"], attempt.verifier)
        access, raw = tokens.get("access_token"), tokens.get("id_token")
        claims = dict(checked(raw, self.provider, attempt.nonce, access))
        return self._person(claims, str(raw), str(access or "")), attempt

    def logout_address(self, id_token: str) -> str | None:
        """Where a browser ends its login at the provider too; None where the provider does not offer that."""
        address = self.provider.document().get("end_session_endpoint")
        if not isinstance(address, str):
            return None
        told = {
            "id_token_hint": id_token,
            "post_logout_redirect_uri": f"{self.settings.address}/",
            "client_id": self.settings.client,
        }
        return f"{address}{'&' if '?' in address else '?'}{urlencode(told)}"

    def _person(self, claims: dict[str, Any], raw: str, access: str) -> Person:
        subject = str(claims["sub"])
        if access and (_found(claims, self.settings.groups_claim) is None or not claims.get(self.settings.name_claim)):
            more = self.provider.person(access)
            if more.get("sub", subject) != subject:
                raise LoginRefusedError("the login service tells of somebody else than its token")
            claims = {**more, **claims}
        name = str(claims.get(self.settings.name_claim) or claims.get("email") or subject)[:MOST_NAME]
        role = self.settings.role_of(_groups(_found(claims, self.settings.groups_claim)))
        if role is None:
            raise LoginRefusedError(
                f"{name} is in none of the groups that may use this server (setting oidc_roles): ask its administrator"
            )
        return Person(name, role, subject, raw)


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
