"""Whether this process lives, and whether it can answer: the two questions of whoever watches over it.

Everybody is told whether all is well; what is and what is not, who administers the server as a whole.

Looks at the tenants that are open and opens none. What is only behind, being rebuilt or still loading is ready; what is
damaged or has failed is not, and says why.
"""

import asyncio
import os
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine.follower import Phase, Status
from engine.tenant import Tenant
from server import __version__
from server.api.context import Desk
from server.embedding import readiness
from server.identity import Identity, Scope
from server.responses import json_response
from server.settings import Settings


async def livez(request: Request) -> Response:
    """The process runs and its loop turns."""
    return json_response({"status": "alive", "version": __version__, "process": os.getpid()})


async def readyz(request: Request) -> Response:
    """The embedder, and every open tenant with each of its stores; 503 with the reasons when something is damaged or
    has failed. Names of tenants and directories are not everybody's."""
    report = await asyncio.to_thread(survey, request.app.state.desk, request.app.state.settings)
    status = 200 if report["status"] == "ready" else 503
    by = await request.app.state.identify(request, None)
    whole = isinstance(by, Identity) and by.tenant is None and by.may(Scope.ADMIN)
    return json_response(report if whole else {name: report[name] for name in ("status", "version")}, status)


def survey(desk: Desk, settings: Settings) -> dict[str, Any]:
    tenants, reasons = {}, [f"tenant `{name}`: {refusal}" for name, refusal in sorted(desk.damaged.items())]
    embedder = readiness(settings, desk.tenants.embedder)
    if embedder.state == "failed":
        reasons.append(f"embedder `{embedder.model}`: {embedder.problem}")
    for name in desk.tenants.names():
        if not desk.tenants.is_open(name):
            continue
        with desk.tenants.use(name, create=False) as tenant:
            if isinstance(tenant, Tenant):
                tenants[name] = _tenant(tenant)
                reasons += [f"tenant `{name}`: {reason}" for reason in _against(tenant)]
    return {
        "status": "damaged" if reasons else "ready",
        "reasons": reasons,
        "version": __version__,
        "process": os.getpid(),
        "data": str(desk.tenants.data),
        "graph_engine": settings.graph_engine,
        "embedder": {"model": embedder.model, "state": embedder.state, "problem": embedder.problem or None},
        "tenants": tenants,
    }


def _tenant(tenant: Tenant) -> dict[str, Any]:
    """How far the journal and each store is; and consolidation, where it is on."""
    progress = {status.name: _progress(status) for status in tenant.statuses()}
    consolidation = progress.pop("consolidation", None)
    return {"position": tenant.position, "stores": progress, "consolidation": consolidation}


def _progress(status: Status) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "phase": status.phase.value,
        "position": status.position,
        "lag": status.target - status.position,
    }
    return shown | ({"problem": status.problem} if status.problem else {})


def _against(tenant: Tenant) -> list[str]:
    """Why the tenant can't be relied on."""
    failed = [f"`{s.name}` stopped: {s.problem}" for s in tenant.statuses() if s.phase is Phase.FAILED]
    return failed + (["its journal is not as it was written"] if tenant.suspect else [])
