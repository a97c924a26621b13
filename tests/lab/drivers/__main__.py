"""`python -m tests.lab.drivers` builds the driver packages alone."""

import sys

from tests.lab.drivers import build
from tests.lab.steps import LabError

try:
    build()
except LabError as error:
    sys.exit(f"lab: {error}")
