"""`make demo-cluster`: the operator on a real control plane, shown step by step in some minutes.

`python -m tests.demo_cluster` needs the rig's binaries (`make rig`, once). Nothing is left running.
Exit status 0 if everything promised happened, 1 if something did not, 2 if it could not run.
"""

import sys
import time

from tests.demo_cluster.stage import stage
from tests.demo_cluster.story import tell
from tests.demo_cluster.teller import Teller
from tests.rig.toolchain import GoMissingError


def main() -> int:
    """Play it."""
    began = time.monotonic()
    try:
        with stage() as made:
            teller = Teller(made)
            tell(made, teller)
            teller.sum_up(time.monotonic() - began)
    except (FileNotFoundError, GoMissingError) as error:
        print(f"demo-cluster: {error}", file=sys.stderr)  # noqa: T201 - for a person
        return 2
    return 0 if all(holds for holds, _ in teller.kept) else 1


if __name__ == "__main__":
    sys.exit(main())
