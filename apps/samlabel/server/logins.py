"""Logins switched on or off when the application is put together, with a warning where everybody may do everything."""

from __future__ import annotations

import os
from typing import cast

import structlog

from sam_infer.home import default_home
from samlabel.access.forwarded import networks
from samlabel.access.login_state import OPEN, LoginState
from samlabel.config import AppConfig
from samlabel.host.handle import running_app
from samlabel.logins.login_service import FOLDER, LoginService
from samlabel.logins.sessions import Limits
from samlabel.store.cases import cases_of
from samlabel.store.folder import StudyStore

log = structlog.get_logger(__name__)

# Set by the launcher where only this machine can reach the server.
HOSTS_VARIABLE = "SAMLABEL_HOSTS"


def switch(state: LoginState, config: AppConfig, open_paths: frozenset[str]) -> None:
    """Set what the gate goes by."""
    state.proxies = networks(config.proxies)
    state.origins = frozenset(config.viewer_origins)
    state.open_paths = open_paths
    state.desk = new_desk(config) if config.logins else None
    state.cases = lambda: cases_of(cast(StudyStore, running_app().datastore()))
    # As far as is known: the host's own start does not say what it listens on, and by default that is everything.
    state.open_to_others = not os.environ.get(HOSTS_VARIABLE)
    if not state.on and state.open_to_others:
        log.warning(OPEN)
    if state.desk is not None and not state.desk.accounts.all():
        log.warning("nobody has an account yet: samlabel users add NAME --role admin")


def new_desk(config: AppConfig) -> LoginService:
    """The desk of this user's server."""
    limits = Limits(config.login_idle_minutes * 60.0, config.login_hours * 3600.0)
    return LoginService(default_home() / FOLDER, limits)
