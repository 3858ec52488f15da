"""The HTTP application: all entrances behind one door."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from operator import attrgetter

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from cella import config, worker
from cella.api import (
    admin,
    auth,
    blender_id,
    browse,
    changes,
    encoding,
    events,
    federation,
    files,
    health,
    members,
    projects,
    service,
    session,
    storage,
    uploads,
    users,
)
from cella.api.openapi import document
from cella.assembly import Assembly
from cella.delivery.routes import ROUTES
from cella.errors import CellaError
from cella.http import logs, problems
from cella.http.crossorigin import CrossOrigin, allow
from cella.http.problems import Problems
from cella.http.requests import Requests
from cella.web.routes import ROUTES as PAGES

_ROUTERS = (
    storage.router,
    uploads.router,
    browse.router,
    files.router,
    changes.router,
    events.router,
    projects.router,
    members.router,
    users.router,
    auth.router,
    session.router,
    federation.router,
    service.router,
    admin.router,
    blender_id.router,
    encoding.router,
    health.router,
)
_OF_PLAIN_FILES = {"GET", "HEAD"}


def build(assembly: Assembly) -> FastAPI:
    """The application over an assembly that its lifespan opens and closes."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(assembly.running())
            if assembly.config.service.embedded_worker:
                await stack.enter_async_context(worker.working(assembly.runner(), assembly.sandbox))
            yield

    def methods_of(scope: Scope) -> set[str]:
        # The first pattern that an address fits is its own: /api/users/me is no user's id.
        found: dict[str, set[str]] = {}
        for route in routes:
            match, _ = route.matches(scope)
            if match is not Match.NONE:
                path = route.path if isinstance(route, Route) else ""
                methods = (isinstance(route, Route) and route.methods) or _OF_PLAIN_FILES
                found.setdefault(path, set()).update(methods)
        return next(iter(found.values()), set())

    async def answer(request: Request, error: Exception) -> Response:
        response = problems.answer(error)
        if response.status_code == 405:
            # A route knows its own methods only, and paths have more than one route. What is
            # mounted below a path has changed `root_path` meanwhile.
            root_path = request.scope.get("app_root_path", request.scope["root_path"])
            response.headers["Allow"] = allow(methods_of({**request.scope, "root_path": root_path}))
        return response

    app = FastAPIOffline(
        docs_url="/api/docs",
        redoc_url=None,
        static_url="/api/docs-assets",
        openapi_url="/api/openapi.json",
        generate_unique_id_function=attrgetter("name"),
        swagger_ui_oauth2_redirect_url="/api/docs/oauth2-redirect",
        title=document.TITLE,
        description=document.DESCRIPTION,
        version=document.version(),
        lifespan=lifespan,
        redirect_slashes=False,
        middleware=[
            Middleware(Requests),
            Middleware(CrossOrigin, origins=assembly.services.origins, methods_of=methods_of),
            Middleware(Problems),
        ],
    )
    app.state.services = assembly.services
    for error in (CellaError, HTTPException):
        app.add_exception_handler(error, answer)
    for page in app.router.routes:
        # FastAPI's own pages know GET alone.
        if isinstance(page, Route) and page.methods == {"GET"}:
            page.methods = {"GET", "HEAD"}
    routes = [*app.router.routes, *ROUTES, *PAGES]
    for router in _ROUTERS:
        app.include_router(router)
        routes += router.routes
    app.router.routes[:0] = ROUTES
    app.router.routes += PAGES
    document.complete(app)
    return app


def create() -> FastAPI:
    """The application as configured by the environment and `cella.toml`."""
    settings = config.load()
    logs.configure(settings.service.log_format, settings.service.log_level)
    return build(Assembly(settings))
