"""The routes: what is asked over HTTP, answered by the recommender of the moment."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import numpy as np
import orjson
import pyarrow as pa
from fastapi import FastAPI, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

import recembed
from recembed.errors import DataError
from recembed.recommender import Recommendations, Recommender
from recembed.serving import answers, questions
from recembed.serving.guard import HEALTH, Guard
from recembed.serving.limits import Limits, Refused, line
from recembed.serving.live import Live

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": answers.Problem, "description": why}
    for status, why in {
        401: "No key, or another one.",
        404: "The run does not have it.",
        408: "The body took too long.",
        413: "The body is too large.",
        422: "The question makes no sense.",
        503: "Too busy, or it took too long.",
    }.items()
}


def app_of(live: Live, limits: Limits, key: str | None, pool: ThreadPoolExecutor) -> Guard:
    """The whole application. pool: the threads that search."""
    app = FastAPIOffline(
        title="recembed",
        version=recembed.__version__,
        description="Recommendations from a run.",
        redoc_url=None,
        responses=REFUSALS,
    )
    for kind in (RequestValidationError, HTTPException, DataError, Refused, Exception):
        app.add_exception_handler(kind, _refusal)
    _add_lists(app, live, limits, pool)
    _add_items(app, live, limits, pool)
    _add_state(app, live, told=key is None)
    if key is not None:
        _name_key(app)
    return Guard(app, limits, key, live.meters)


def _add_lists(app: FastAPI, live: Live, limits: Limits, pool: ThreadPoolExecutor) -> None:
    async def one_list(recommender: Recommender, one: questions.One) -> Response:
        if live.quick and one.plain:  # 2 ms a request, and 3 through a thread
            return json(_one(recommender, one, limits))
        return await _in_thread(pool, _one, recommender, one, limits)

    @app.get(
        "/recommend",
        response_model=answers.ListOut,
        openapi_extra=questions.OneAsked.document(),
    )
    async def recommend(request: Request) -> Response:
        """The best items for a user, or for a history."""
        recommender = live.recommender
        log = recommender.log.interactions
        one = questions.OneAsked.of(request.query_params).one(log.users, log.items)
        return await one_list(recommender, one)

    @app.post("/recommend", response_model=answers.ListOut, openapi_extra=questions.One.document())
    async def recommend_one(request: Request) -> Response:
        """The best items for a user, or for a history."""
        return await one_list(live.recommender, questions.One.of(await request.body()))

    @app.post(
        "/recommend_many", response_model=answers.ListsOut, openapi_extra=questions.Many.document()
    )
    async def recommend_many(request: Request) -> Response:
        """The best items for each of several users."""
        many = questions.Many.of(await request.body())
        wish = many.wish(limits)
        limits.check(users=many.users, basket=many.basket)
        return await _in_thread(pool, _many, live.recommender, many, wish)


def _many(
    recommender: Recommender, many: questions.Many, wish: dict[str, Any]
) -> dict[str, list[Recommendations]]:
    return {"lists": recommender.recommend_many(many.users, basket=many.basket, **wish)}


def _one(recommender: Recommender, one: questions.One, limits: Limits) -> Recommendations:
    wish = one.wish(limits)
    limits.check(history=one.history, basket=one.basket)
    if (one.user is None) == (one.history is None) or (one.basket and one.user is None):
        raise Refused(422, "name a user (and what they hold), or the items of one history")
    if one.user is not None:
        return recommender.recommend(one.user, basket=one.basket, **wish)
    return recommender.recommend_for(one.history or [], **wish)


def _add_items(app: FastAPI, live: Live, limits: Limits, pool: ThreadPoolExecutor) -> None:
    @app.get(
        "/similar",
        response_model=answers.ListOut,
        openapi_extra=questions.SimilarAsked.document(),
    )
    async def similar(request: Request) -> Response:
        """Items like an item."""
        query = questions.SimilarAsked.of(request.query_params)
        limits.check_k(query.k)
        recommender = live.recommender
        item = questions.parsed(recommender.log.interactions.items, query.item)
        return await _in_thread(pool, recommender.similar, item, query.k)

    @app.get(
        "/search", response_model=answers.ListOut, openapi_extra=questions.SearchAsked.document()
    )
    async def search(request: Request) -> Response:
        """Items whose texts are most like a text."""
        recommender = live.recommender
        items = recommender.log.interactions.items
        asked = questions.SearchAsked.of(request.query_params).search(items)
        return await _in_thread(pool, _found, recommender, asked, limits)

    @app.post("/search", response_model=answers.ListOut, openapi_extra=questions.Search.document())
    async def search_by(request: Request) -> Response:
        """Items whose texts are most like a text."""
        asked = questions.Search.of(await request.body())
        return await _in_thread(pool, _found, live.recommender, asked, limits)

    @app.get("/items/{id:path}", response_model=answers.About)
    async def about(id: Annotated[str, Path(description="An item's id.")]) -> Response:
        """What the run knows of an item."""
        recommender = live.recommender
        item = questions.parsed(recommender.log.interactions.items, id)
        row = int(recommender.log.interactions.items.rows([item])[0])
        table = recommender.log.items
        columns = {} if table is None else _plain(table.table.slice(row, 1))
        title = None if table is None else table.titles(np.array([row], np.int32))[0]
        placed = recommender.state.placed(row)
        told = {"item": item, "title": title, "trained": placed == "events", "placed": placed}
        return json({**told, "columns": columns})


def _found(recommender: Recommender, asked: questions.Search, limits: Limits) -> Recommendations:
    wish = asked.wish(limits)
    if recommender.state.search is None:
        raise Refused(404, "the run has no text search: recembed attach gives it one")
    return recommender.search(asked.text, **wish)


def _add_state(app: FastAPI, live: Live, *, told: bool) -> None:
    """told: whether anybody may read why a run was refused; data may be quoted there."""

    @app.get(HEALTH[0], response_model=answers.Alive)
    async def alive() -> Response:
        """Whether the process answers; needs no key."""
        return json({"status": "alive"})

    @app.get(HEALTH[1], response_model=answers.Ready)
    async def ready() -> Response:
        """Which run answers, and whether a newer one was refused; needs no key."""
        state, trouble = live.recommender.state, live.trouble
        return json(
            {
                "status": "ready" if trouble is None else "degraded",
                "identity": state.identity,
                "created": state.created,
                "reason": trouble if trouble is None or told else "see the log of the server",
            }
        )

    @app.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Counts and times for Prometheus."""
        return Response(generate_latest(live.meters.registry), media_type=CONTENT_TYPE_LATEST)


def _plain(row: pa.Table) -> dict[str, Any]:
    """A row's values by column."""
    return {name: _value(row.column(name)) for name in row.column_names}


def _value(one: pa.ChunkedArray) -> Any:
    try:
        return one[0].as_py()
    except (ValueError, OverflowError):  # a date that Python does not have
        return one.cast(pa.string())[0].as_py()


def json(value: Any) -> Response:
    """Dataclasses, numbers and texts as JSON; what JSON lacks (dates, bytes) as text."""
    return Response(orjson.dumps(value, default=str), media_type="application/json")


async def _in_thread(
    pool: ThreadPoolExecutor, answer: Callable[..., Any], *arguments: Any
) -> Response:
    """A long question must not hold up the others."""
    loop = asyncio.get_running_loop()
    return json(await loop.run_in_executor(pool, answer, *arguments))


async def _refusal(_: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        status, why = 422, "; ".join(map(_wrong, error.errors()[:3]))
    elif isinstance(error, HTTPException):
        status, why = error.status_code, str(error.detail)
    elif isinstance(error, Refused):
        status, why = error.status, str(error)
    elif isinstance(error, DataError):
        status, why = 422, str(error)
    else:
        raise error
    made = json({"detail": line(why)})
    made.status_code = status
    return made


def _wrong(error: dict[str, Any]) -> str:
    """One finding of the types: where, and what; not what was sent."""
    where = ".".join(str(part) for part in error["loc"] if part != "body")
    return f"{where}: {error['msg']}"


def _name_key(app: FastAPI) -> None:
    """Say in the document that a key is needed, and where it is not."""
    document = app.openapi()  # kept by the application
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    for path in HEALTH:
        document["paths"][path]["get"]["security"] = []
