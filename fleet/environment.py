"""Names of the environment variables that one process of the tool sets for another.

They stand apart from what reads them, which takes most of a second of processor time to import.
"""

from __future__ import annotations

#: the run's identity, set by `mlufleet deploy`, which reads the report afterwards
RUN_ID_VARIABLE = "MLUFLEET_RUN"
#: digest of what the hosts have to be, or empty
EXPECTED_DIGEST_VARIABLE = "MLUFLEET_EXPECT_DIGEST"
#: why the watch has started the run: what locks say of it; without it, that is the command
WHY_VARIABLE = "MLUFLEET_WHY"
