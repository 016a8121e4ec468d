"""Composition root: puts the rooms of the house together."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from . import __version__, health, metrics
from .access import Verifier
from .access import routes as access
from .advertising import routes as advertising
from .advertising.event_types import EVENT_TYPES as ADVERTISING_EVENTS
from .advertising.operations import advertising_export
from .analytics import backtest_routes as backtests
from .analytics import plan_routes as plans
from .analytics import recommendation_routes as recommendations
from .analytics import routes as runs
from .analytics import score_routes as scores
from .analytics import worker_routes as run_workers
from .analytics.event_types import EVENT_TYPES as ANALYTICS_EVENTS
from .analytics.fields import score_fields
from .analytics.operations import KINDS as ANALYTICS_KINDS
from .analytics.operations import planned_runs
from .audience import Catalog
from .core.db import Database
from .core.edge import Edge
from .core.event_types import EventType
from .core.failures import install_handlers
from .core.limits import REFUSALS, RateLimit
from .core.memory import give_back_large_blocks, spare_the_collector
from .core.metrics import Counter, Metrics, Reading
from .core.openapi import install_document
from .core.outbox_metrics import OUTBOX_METRICS
from .core.paging import Cursors
from .core.stopping import Stopping
from .core.telemetry import configure_logs
from .core.turns import take_short_turns
from .customers import action_routes as actions
from .customers import field_routes as fields
from .customers import household_routes as households
from .customers import routes as customers
from .customers.catalog import CUSTOM_FIELDS, LivingCatalog
from .customers.event_types import EVENT_TYPES as CUSTOMER_EVENTS
from .customers.fields import HOUSEHOLDS, profile_fields
from .customers.operations import DeclaredFields, Grounds, customer_actions
from .events import routes as events
from .events.document import describe_events
from .events.feed import STREAMS, Feed
from .events.metrics import FEED_METRICS
from .jobs import routes as jobs
from .jobs import worker_routes as workers
from .jobs.hints import Hints
from .jobs.kinds import JobKind
from .jobs.metrics import ENDED, FAILED_ATTEMPTS, HINTS_LOST, job_metrics
from .offers import decision_routes as decisions
from .offers import queries as offer_queries
from .offers import routes as offers
from .offers.event_types import EVENT_TYPES as OFFER_EVENTS
from .offers.fields import FIELDS as CONTEXT_FIELDS
from .offers.operations import Desk
from .outreach import campaign_queries
from .outreach import campaign_routes as campaigns
from .outreach import message_routes as messages
from .outreach import public_routes as public
from .outreach import template_routes as templates
from .outreach.event_types import EVENT_TYPES as OUTREACH_EVENTS
from .outreach.links import Signer
from .outreach.metrics import MESSAGE_METRICS, REPORTED
from .outreach.planning import cancelling, planning
from .pages import routes as pages
from .privacy import purpose_routes as purposes
from .privacy import routes as consents
from .privacy import suppression_routes as suppressions
from .privacy.event_types import EVENT_TYPES as PRIVACY_EVENTS
from .privacy.fields import CONSENT_FIELDS
from .profile import routes as profiles
from .segments import explain_routes as explanations
from .segments import history_routes as segment_history
from .segments import library_routes as segment_library
from .segments import member_routes as members
from .segments import queries as segment_queries
from .segments import routes as segments
from .segments.event_types import EVENT_TYPES as SEGMENT_EVENTS
from .segments.fields import FIELDS as SEGMENT_FIELDS
from .segments.operations import live_segments, segment_build, segment_check
from .segments.timeline import SEGMENT_MOVES
from .settings import Settings, SettingsWrong, read_settings
from .touchpoints import product_routes as products
from .touchpoints import routes as touchpoints
from .touchpoints.daily_facts import daily_facts
from .touchpoints.event_types import EVENT_TYPES as TOUCHPOINT_EVENTS
from .touchpoints.fields import COUNTABLE
from .touchpoints.metrics import DAILY_FACTS_METRICS

ROUTERS = (
    customers.router,  # routes are looked through in this order: first those that are asked while somebody waits
    profiles.router,
    decisions.router,
    access.router,
    actions.router,
    households.router,
    fields.router,
    jobs.router,
    workers.router,
    events.router,
    events.worker_router,
    touchpoints.router,
    products.router,
    consents.router,
    purposes.router,
    suppressions.router,
    runs.router,
    backtests.router,
    plans.router,
    run_workers.router,
    scores.router,
    recommendations.router,
    segments.router,
    segment_library.router,
    segment_history.router,
    members.router,
    explanations.router,
    offers.router,
    advertising.router,
    templates.router,
    campaigns.router,
    messages.router,
    messages.worker_router,
    public.router,
    health.router,
    metrics.router,
    pages.router,
)
JOB_KINDS: tuple[JobKind, ...] = (*ANALYTICS_KINDS,)
COUNTERS: tuple[Counter, ...] = (ENDED, FAILED_ATTEMPTS, REPORTED)
READINGS: tuple[Reading, ...] = (OUTBOX_METRICS, FEED_METRICS, DAILY_FACTS_METRICS, MESSAGE_METRICS)
EVENT_TYPES: tuple[EventType, ...] = (
    *CUSTOMER_EVENTS,
    *TOUCHPOINT_EVENTS,
    *PRIVACY_EVENTS,
    *SEGMENT_EVENTS,
    *ADVERTISING_EVENTS,
    *OFFER_EVENTS,
    *OUTREACH_EVENTS,
    *ANALYTICS_EVENTS,
)
DESCRIPTION = """Customers, touchpoints, offers and segments as typed JSON over PostgreSQL.

Get a token from `POST /oauth/token` (button *Authorize*), then call. Every error is an RFC 9457 problem whose `type` is
a page that says what to do."""


def create_app(settings: Settings, job_kinds: Sequence[JobKind] = JOB_KINDS) -> FastAPI:
    """Make the service. Errors: SettingsWrong, naming the variable."""
    if settings.secret_key is None:
        raise SettingsWrong("CRM_SECRET_KEY: missing; 32 characters or more, the same at every start")
    settings.driver_dsn  # noqa: B018  # a missing database is told at the start
    app = FastAPI(
        title="crm-api",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,  # a recursive tree would stand there twice
    )
    app.openapi_version = "3.2.0"
    _equip(app, settings, settings.secret_key.get_secret_value(), job_kinds)
    for router in ROUTERS:
        app.router.routes.extend(router.routes)  # flat: an included router is matched twice and built per prefix
    install_handlers(app)
    install_document(app, partial(describe_events, types=EVENT_TYPES))
    if settings.cors_origins:
        _open_to_pages(app, settings.cors_origins)
    app.add_middleware(Edge, traffic=app.state.metrics.traffic)
    return app


def _equip(app: FastAPI, settings: Settings, secret: str, job_kinds: Sequence[JobKind]) -> None:
    """Put within reach of every operation what lives as long as the service and needs no database to be made."""
    app.state.settings = settings
    app.state.cursors = Cursors(secret)
    scored = score_fields(settings.sensitive_taste_purpose)
    built_in = Catalog([*profile_fields(), *scored, *SEGMENT_FIELDS, *CONTEXT_FIELDS], COUNTABLE, household=HOUSEHOLDS)
    catalog = LivingCatalog(built_in, (CUSTOM_FIELDS, CONSENT_FIELDS))
    build = segment_build(catalog)
    of_segments = (build, live_segments(catalog, build, settings.zone), segment_check(catalog, settings.zone))
    kinds = (
        *job_kinds,
        customer_actions(catalog),
        daily_facts(settings.zone),
        planned_runs(settings.zone, settings.sensitive_taste_purpose),
        *of_segments,
        advertising_export(),
        planning(catalog, settings),
        cancelling(),
    )
    app.state.job_kinds = {kind.name: kind for kind in kinds}
    app.state.catalog = catalog
    app.state.segment_uses = tuple(each.uses_of_segment for each in (segment_queries, offer_queries, campaign_queries))
    app.state.timeline_parts = (SEGMENT_MOVES,)
    app.state.event_types = {each.name: each for each in EVENT_TYPES}
    app.state.message_signer = Signer(secret)
    app.state.decision_desk = Desk(catalog, settings.zone)
    app.state.grounds = Grounds(settings, DeclaredFields())
    app.state.rate_limit = RateLimit(settings.read_rate, settings.write_rate)
    app.state.metrics = Metrics(COUNTERS, (job_metrics(app.state.job_kinds), *READINGS))
    app.state.metrics.watch((REFUSALS,), lambda: app.state.rate_limit.samples())


def _open_to_pages(app: FastAPI, origins: Sequence[str]) -> None:
    """Let pages of these origins call, and read the headers that callers go by."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=origins,
        allow_methods=["*"],
        allow_headers=["*"],
        expose_headers=[
            "ETag",
            "Link",
            "Location",
            "RateLimit",
            "RateLimit-Policy",
            "Retry-After",
            "X-Request-Id",
            "Idempotent-Replayed",
        ],
        max_age=600,
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    async with Database(settings) as database:
        app.state.database = database
        app.state.verifier = Verifier(database, settings)
        app.state.stopping = Stopping()
        app.state.stopping.listen()
        app.state.feed = Feed(database)
        app.state.metrics.watch((STREAMS,), app.state.feed.samples)
        app.state.hints = Hints(None if settings.redis_url is None else str(settings.redis_url))
        app.state.hints.serve(database)
        app.state.metrics.watch((HINTS_LOST,), app.state.hints.samples)
        app.state.metrics.serve(database)
        yield
        await app.state.hints.close()


def create_app_from_environment() -> FastAPI:
    """Make the service from `CRM_*` variables, for the server's command line."""
    give_back_large_blocks()
    take_short_turns()
    settings = read_settings()
    configure_logs(settings.log_format, settings.log_level)
    app = create_app(settings)
    spare_the_collector()
    return app
