"""The protocols of other servers: a new one is a file of its own, and a line here."""

from engine.api.errors import Phrase
from engine.api.protocols import kserve_v1, mcp, mlflow, vertex, vetiver
from engine.api.protocols.contract import Protocol
from engine.api.protocols.v2 import routes as v2
from engine.api.resources import Resources

#: All of them, in the order of the API's description.
PROTOCOLS: tuple[Protocol, ...] = (
    mlflow.PROTOCOL,
    vetiver.PROTOCOL,
    vertex.PROTOCOL,
    v2.PROTOCOL,
    kserve_v1.PROTOCOL,
    mcp.PROTOCOL,
)


def phrases(shared: Resources) -> dict[str, Phrase]:
    """Return how failures are phrased, by path; the longest path comes first."""
    spoken = {path: protocol.phrase for protocol in PROTOCOLS for path in protocol.paths(shared)}
    return dict(sorted(spoken.items(), key=lambda item: len(item[0]), reverse=True))
