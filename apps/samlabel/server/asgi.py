"""The ASGI application: the host's, with our routes, middleware and exception handlers.

`samlabel serve` runs `samlabel.server.asgi:app`; the host's own command line may be told to by `--uvicorn_app`,
and when it is not, the app mends the running server as soon as it is loaded. Either way the same routes, checks and
error messages apply.
"""

from __future__ import annotations

import os
from functools import cache, partial

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from monailabel.app import app as host_app
from monailabel.config import settings
from monailabel.endpoints.user.auth import get_current_user
from starlette.middleware import Middleware

from samlabel.access import error_replies
from samlabel.access.audited import AuditMiddleware
from samlabel.access.callers import current_user
from samlabel.access.disconnect import DisconnectMiddleware
from samlabel.access.error_replies import FaultMiddleware
from samlabel.access.gate import Gate
from samlabel.access.login_state import LOGINS
from samlabel.access.request_guard import RequestGuard
from samlabel.config import AppConfig
from samlabel.host import login_fix
from samlabel.host.logs import route_structlog
from samlabel.online import route as online_route
from samlabel.routes import adapters as adapter_route
from samlabel.routes import health as metrics_route
from samlabel.routes import infer as infer_route
from samlabel.routes import jobs as job_route
from samlabel.routes import labels as label_route
from samlabel.routes import leases as lease_route
from samlabel.routes import login as login_route
from samlabel.routes import login_pages, oidc, pages, proxy, viewer
from samlabel.routes import train as train_route
from samlabel.routes.host import mended_routes
from samlabel.server import background, logins
from samlabel.server.openapi import document
from samlabel.tasks.standing_training import end_trainings_with_this_life, ending_trainings

# In front of the host's, the last one foremost.
OURS = (
    infer_route.router,
    job_route.router,
    train_route.router,
    adapter_route.router,
    label_route.router,
    lease_route.router,
    online_route.router,
    metrics_route.router,
    proxy.router,
    viewer.router,
    pages.router,
    login_route.router,
    login_pages.router,
    oidc.router,
)


def mend(app: FastAPI) -> FastAPI:
    """Our routes in front, our checks around, our errors; done once however often it is called."""
    if any(_adds(entry, RequestGuard) for entry in app.user_middleware):
        return app
    origins = [str(origin).rstrip("/") for origin in settings.MONAI_LABEL_CORS_ORIGINS]
    config = AppConfig.of(settings.MONAI_LABEL_APP_CONF)
    origins += config.viewer_origins
    hosts = [name for name in os.environ.get(logins.HOSTS_VARIABLE, "").split(",") if name]
    # A training process prints its settings as JSON, which a list of addresses is not: it would end there.
    os.environ.pop("MONAI_LABEL_CORS_ORIGINS", None)
    for router in (mended_routes(), *OURS):
        app.include_router(router, prefix=settings.MONAI_LABEL_API_STR)
        app.router.routes.insert(0, app.router.routes.pop())
    # The host's static files are its viewer once more, with pages that ask the internet.
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", "") != "/static"]
    # Built again with the next request: under the host's own command line the first one was built before we came.
    app.middleware_stack = None
    # Without a list the host allows every page of the internet; with one it adds slashes that no browser sends.
    app.user_middleware = [entry for entry in app.user_middleware if not _adds(entry, CORSMiddleware)]
    app.add_middleware(FaultMiddleware)
    app.add_middleware(DisconnectMiddleware)
    app.add_middleware(Gate)
    app.add_middleware(RequestGuard, origins=origins, hosts=hosts, max_bytes=config.upload_mb << 20)
    app.add_middleware(AuditMiddleware)
    if origins:
        # Outermost, so that pages of these origins can also read why something was refused.
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=["x-samlabel-names"],
        )
    app.router.lifespan_context = ending_trainings(app.router.lifespan_context)
    end_trainings_with_this_life()
    error_replies.install(app)
    app.dependency_overrides[get_current_user] = current_user
    app.__dict__["openapi"] = cache(partial(document, app))  # asked for by the app's own /openapi.json
    login_fix.mend()
    background.mend()
    route_structlog()
    logins.switch(LOGINS, config, frozenset(viewer.open_paths()))
    return app


def first_link() -> str | None:
    """The path that makes the first account; None where logins are off or somebody has one."""
    return LOGINS.desk.first.new() if LOGINS.desk is not None and LOGINS.desk.local else None


def _adds(entry: Middleware, kind: object) -> bool:
    return entry.cls is kind


app = mend(host_app)
