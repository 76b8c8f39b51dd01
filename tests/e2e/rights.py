"""What the operator has to be able to do on an API server, and what it must not."""

from dataclasses import dataclass

from tests.rig.plane import ControlPlane

from v4operator.adapters.cluster_learned import CONFIG_MAP
from v4operator.crdgen import admission

SYSTEM, NAME = "v4-operator-system", "v4-operator"
ELSEWHERE = "elsewhere"
READ = ("get", "list", "watch")
FOLLOW = ("list", "watch")


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that the operator may want to do."""

    verb: str
    resource: str
    namespace: str = ELSEWHERE
    name: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.verb, self.resource, self.namespace, self.name)))


def allowed(plane: ControlPlane, wish: Wish, account_namespace: str = SYSTEM) -> bool:
    """Whether RBAC lets the operator's ServiceAccount do it."""
    path, _, group = wish.resource.partition("@")
    resource, _, subresource = path.partition("/")
    attributes = {
        "verb": wish.verb,
        "group": group,
        "resource": resource,
        "subresource": subresource,
        "namespace": wish.namespace,
        "name": wish.name,
    }
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": f"system:serviceaccount:{account_namespace}:{NAME}",
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": attributes,
        },
    }
    answer = plane.api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review)
    return bool(answer.raise_for_status().json()["status"]["allowed"])


NEEDED = (
    *(Wish(verb, "v4deployments@v4serving.dev") for verb in READ),
    Wish("patch", "v4deployments/status@v4serving.dev"),
    *(Wish(verb, "pods") for verb in (*FOLLOW, "patch")),
    *(Wish(verb, "deployments@apps") for verb in (*FOLLOW, "create", "patch")),
    Wish("patch", "deployments/scale@apps"),
    *(Wish(verb, "statefulsets@apps") for verb in FOLLOW),
    Wish("patch", "statefulsets/scale@apps"),
    *(Wish(verb, "services") for verb in ("get", "create", "patch")),
    Wish("create", "events@events.k8s.io"),
)
OWN = (
    Wish("create", "leases@coordination.k8s.io", SYSTEM),
    *(Wish(verb, "leases@coordination.k8s.io", SYSTEM, NAME) for verb in ("get", "patch")),
    *(
        Wish(verb, "configmaps", SYSTEM, name)
        for verb in ("get", "create", "patch")
        for name in (admission.TABLE_NAME, CONFIG_MAP)
    ),
)
NODES = tuple(Wish(verb, "nodes", "") for verb in FOLLOW)
NEVER = (
    *(Wish(verb, "secrets", place) for verb in READ for place in (SYSTEM, ELSEWHERE, "")),
    *(Wish(verb, "v4deployments@v4serving.dev") for verb in ("update", "patch", "delete")),
    *(Wish("delete", kind) for kind in ("pods", "services", "deployments@apps")),
    Wish("patch", "statefulsets@apps"),
    Wish("list", "services"),
    Wish("create", "pods"),
    Wish("create", "pods/exec"),
    Wish("create", "pods/eviction"),
    Wish("get", "configmaps", ELSEWHERE, admission.TABLE_NAME),
    Wish("get", "configmaps", SYSTEM, "another"),
    Wish("list", "configmaps", SYSTEM),
    Wish("patch", "leases@coordination.k8s.io", SYSTEM, "another"),
    Wish("get", "leases@coordination.k8s.io", "kube-system", NAME),
    Wish("patch", "nodes", ""),
    Wish("create", "serviceaccounts/token", SYSTEM, NAME),
    Wish("escalate", "clusterroles@rbac.authorization.k8s.io", ""),
)
