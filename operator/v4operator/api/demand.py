"""`spec.demand`: what tells of the requests that wait in front of the replicas."""

from typing import Annotated

from pydantic import Field

from v4operator.api.fields import EntryName, Spec

# A sum over a gateway's series takes some 100 characters, one over four of them some 1,000.
_QUERY_LENGTH = 2000

Query = Annotated[str, Field(max_length=_QUERY_LENGTH, pattern=r"\S")]


class DemandSpec(Spec):
    """The queue of a gateway that holds back what the replicas have no room for."""

    query: Annotated[
        Query,
        Field(
            description="PromQL that gives one figure: the requests that wait at the gateway. "
            "Setting it says that the gateway admits no more than the admission limit of each "
            "replica (metric v4_deployment_admission_limit_requests) and holds the rest back, so "
            "that less is kept in reserve. While it is not answered the count is sized as without "
            "a gateway, and a finding says so."
        ),
    ]
    lost_query: Annotated[
        Query | None,
        Field(
            description="PromQL that gives one counter: the requests that the gateway has turned "
            "away or that gave up waiting there. Default: none are counted."
        ),
    ] = None
    prometheus: Annotated[
        EntryName | None,
        Field(
            description="Name of an entry in the operator's settings: the server that is asked. "
            "Default: the one that metrics.prometheus names, else the default or only one there."
        ),
    ] = None
