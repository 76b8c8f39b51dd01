"""kubectl, with a kubeconfig of the rig and nothing of the caller's home."""

from dataclasses import dataclass
from pathlib import Path

from tests.rig.invoke import Said, attempt, invoke


@dataclass(frozen=True, slots=True, kw_only=True)
class Kubectl:
    """Calls kubectl as one user. Discovery is cached in `home`."""

    kubeconfig: Path
    home: Path

    def __call__(self, *arguments: str, stdin: str = "") -> Said:
        """Run it to a good end.

        Raises:
            ToolError: it ended with another status than 0.
        """
        return invoke("kubectl", *arguments, stdin=stdin, environment=self._environment)

    def attempt(self, *arguments: str, stdin: str = "") -> Said:
        """Run it to whatever end."""
        return attempt("kubectl", *arguments, stdin=stdin, environment=self._environment)

    def apply(self, manifests: str, *arguments: str) -> Said:
        """`kubectl apply` of YAML or JSON text.

        Raises:
            ToolError: it was refused.
        """
        return self("apply", "-f", "-", *arguments, stdin=manifests)

    @property
    def _environment(self) -> dict[str, str]:
        return {"HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig)}
