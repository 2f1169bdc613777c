"""The web application: a FastAPI parent with our JSON routes and files, and the Gradio pages mounted last."""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_ANALYTICS_CACHE_FREQUENCY"] = "1000000000"
os.environ["GRADIO_ANALYTICS_MAX_EVENTS"] = "1"

import warnings
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import gradio as gr
import uvicorn
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from gradio import themes
from gradio.routes import App

from app.api import attention as attention_routes
from app.api import build as build_routes
from app.api import checks as check_routes
from app.api import critic as critic_routes
from app.api import data as data_routes
from app.api import evaluations as evaluation_routes
from app.api import jobs as job_routes
from app.api import models as model_routes
from app.api import people as people_routes
from app.api import planning as planning_routes
from app.api import rate as rate_routes
from app.api import respond as respond_routes
from app.api import rollouts as rollout_routes
from app.api import score as score_routes
from app.api import servers as server_routes
from app.api import settings as settings_routes
from app.api import simulations as simulation_routes
from app.api import studies as study_routes
from app.api import train as train_routes
from app.api import trees as tree_routes
from app.api import verdict_report as verdict_report_routes
from app.api import verdicts as verdict_routes
from app.auth import first_admin, identify
from app.context import Context
from app.engines.apart import Residents
from app.errors import Refused
from app.guard import Guard, is_loopback, may_be_single
from app.keeper import attended
from app.pages import (
    attention,
    build,
    checks,
    critic,
    data,
    evaluate,
    home,
    jobs,
    models,
    people,
    rate,
    respond,
    rollouts,
    score,
    settings,
    sign_in,
    simulate,
    studies,
    train,
    trees,
    verdicts,
)
from app.views.shell import HEAD

STATIC = Path(__file__).parent.parent / "static"
_MEDIA = {".js", ".css", ".svg", ".woff2"}


class _Assets(StaticFiles):
    """Our files, without the package's Python ones."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        return super().lookup_path(path) if Path(path).suffix in _MEDIA else ("", None)


def create_app(context: Context) -> FastAPI:
    """The application on a prepared context. Opens nothing and starts nothing."""
    residents = Residents()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        yield
        await residents.close()

    app = FastAPI(title="Subtext", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.include_router(data_routes.router(context))
    app.include_router(tree_routes.router(context))
    app.include_router(study_routes.router(context))
    app.include_router(rate_routes.router(context))
    app.include_router(people_routes.router(context))
    app.include_router(settings_routes.router(context))
    app.include_router(server_routes.router(context))
    app.include_router(job_routes.router(context))
    app.include_router(build_routes.router(context))
    app.include_router(check_routes.router(context))
    app.include_router(respond_routes.router(context, residents))
    app.include_router(score_routes.router(context, residents))
    app.include_router(critic_routes.router(context))
    app.include_router(train_routes.router(context))
    app.include_router(model_routes.router(context))
    app.include_router(rollout_routes.router(context))
    app.include_router(evaluation_routes.router(context))
    app.include_router(simulation_routes.router(context))
    app.include_router(attention_routes.router(context, residents))
    app.include_router(planning_routes.router(context))
    app.include_router(verdict_routes.router(context))
    app.include_router(verdict_report_routes.router(context))

    @app.exception_handler(Refused)
    def refused(_request: Request, refusal: Refused) -> JSONResponse:
        return JSONResponse({"error": str(refusal)}, status_code=refusal.status)

    @app.exception_handler(RequestValidationError)
    def misread(_request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"error": f"The value of {where} cannot be used: {first['msg']}."}, status_code=422)

    app.mount("/ui", _Assets(directory=STATIC), name="ui")
    demo = _pages()
    # Without this flag Gradio lets any client read any file of this machine through an input that echoes a path.
    demo.has_launched = True
    with warnings.catch_warnings():
        # Gradio warns about multi-page SSR even where SSR is off.
        warnings.filterwarnings("ignore", message="SSR mode is not supported")
        gr.mount_gradio_app(
            app,
            demo,
            path="/",
            footer_links=[],
            run_history=False,
            show_error=False,
            max_file_size="1mb",
            theme=themes.Base(font=[themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"]),
            head=HEAD,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
        )
    local, single = is_loopback(context.settings.host), may_be_single(context)
    app.add_middleware(
        Guard,
        local=local,
        public=context.settings.public_url,
        identify=lambda cookie, direct: identify(context, cookie, single and direct),
    )
    return app


_PAGES: tuple[tuple[str, str, Callable[[], None]], ...] = (
    ("Respond", "/respond", respond.build),
    ("Data", "/data", data.build),
    ("Trees", "/trees", trees.build),
    ("Checks", "/checks", checks.build),
    ("Score", "/score", score.build),
    ("Studies", "/studies", studies.build),
    ("Settings", "/settings", settings.build),
    ("Build", "/build", build.build),
    ("Critic", "/critic", critic.build),
    ("Train", "/train", train.build),
    ("Evaluate", "/evaluate", evaluate.build),
    ("Dialogues", "/simulate", simulate.build),
    ("Verdicts", "/verdicts", verdicts.build),
    ("Attention", "/attention", attention.build),
    ("Models", "/models", models.build),
    ("Jobs", "/jobs", jobs.build),
    ("Rollouts", "/rollouts", rollouts.build),
    ("Rate", "/rate", rate.build),
    ("People", "/people", people.build),
    ("Sign in", "/sign-in", sign_in.build),
    ("Join", "/join", sign_in.build_join),
)
"""Every page but the first: name, address, what draws it."""


def _pages() -> gr.Blocks:
    with _no_apps():
        with gr.Blocks(title="Subtext", analytics_enabled=False, fill_width=True) as demo:
            home.build()
        for name, path, draw in _PAGES:
            with demo.route(name, path):
                draw()
    return demo


@contextmanager
def _no_apps() -> Generator[None]:
    """Gradio makes a whole web application at the end of every page; only the one that mounting makes is ever asked.

    Without the others the start of the server takes a tenth of the time.
    """
    own = App.__dict__["create_app"]
    App.create_app = staticmethod(lambda *_, **__: None)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        App.create_app = own


def serve(context: Context) -> None:
    """Serve until interrupted. A worker runs beside, in a process of its own that outlives the server while it has jobs."""
    host, port = context.settings.host, context.settings.port
    app = create_app(context)
    first = first_admin(context, may_be_single(context))
    here = f"Subtext is on http://{host}:{port} (data in {context.settings.data}). Stop it with Ctrl+C."
    print("\n".join(filter(None, (first, here))), flush=True)  # noqa: T201
    with attended(context):
        uvicorn.run(app, host=host, port=port, log_level="warning", server_header=False, timeout_graceful_shutdown=5)
