"""Settings of the process itself: flags and `V4_` variables. Not of a V4Deployment."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from v4operator.model.problem import InputError, Problem, nearest

_PREFIX = "V4_"


class Settings(BaseSettings):
    """Every default has its reason. A `V4_` variable that is not one of these is refused."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="forbid")

    listen_host: Annotated[str, Field(description="Own metrics and health.")] = "127.0.0.1"
    listen_port: Annotated[int, Field(ge=0, le=65535, description="0: any free one.")] = 8080
    log_format: Annotated[str, Field(pattern="^(auto|json|console)$")] = "auto"
    # The default interval between polls: a decision is at most one poll old.
    reconcile_seconds: Annotated[float, Field(gt=0, le=60)] = 5.0
    # Twenty in flight reach some 1,000 scrapes/s (measured), far above what one process needs.
    scrape_concurrency: Annotated[int, Field(ge=1, le=500)] = 20
    namespace: Annotated[str, Field(description="In a cluster; empty: all of them.")] = ""
    # Two operators with one name would take turns; with two names both would scale.
    lease_name: Annotated[str, Field(min_length=1)] = "v4-operator"
    lease_namespace: Annotated[str, Field(description="Empty: the operator's own.")] = ""
    catalogue_dir: Annotated[
        Path | None, Field(description="Your own checkpoints and devices, layered over ours.")
    ] = None
    prometheus_file: Annotated[
        Path | None, Field(description="Prometheus servers that a V4Deployment may name.")
    ] = None
    # A manifest must not make the operator read what listens beside it; test rigs have their pods
    # there.
    allow_loopback: bool = False


def load_settings(**flags: object) -> Settings:
    """Flags win over the environment; `None` flags count as not given.

    Raises:
        InputError: a `V4_` variable that does not exist, with the nearest one that does.
    """
    known = {f"{_PREFIX}{name}".upper() for name in Settings.model_fields}
    strange = sorted(name for name in os.environ if name.startswith(_PREFIX) and name not in known)
    if strange:
        allowed = ", ".join(sorted(known))
        raise InputError(
            Problem(
                where="environment",
                path="",
                found=name,
                allowed=allowed,
                nearest=nearest(name, known),
            )
            for name in strange
        )
    return Settings(**{name: value for name, value in flags.items() if value is not None})  # type: ignore[arg-type]
