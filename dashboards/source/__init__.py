"""The dashboards as typed source; the JSON beside this package is what it writes.

Classic JSON, which every Grafana from 10.4 on imports; the SDK would rather have the newer schema.
"""

import warnings

warnings.filterwarnings("ignore", message="Prefer using dashboardv2", category=DeprecationWarning)
