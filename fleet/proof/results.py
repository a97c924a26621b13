"""What the comparison of a release with its files has found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from fleet.documents.field_errors import Location
from fleet.errors import InvalidInput
from fleet.language import english
from fleet.release.files import ReleaseDocument
from fleet.release.lockfile import UnprovedPoint


@dataclass
class ProofResults:
    """Collects the results of all checks of a release, so that all of them are reported at once.

    Attributes:
        document: the release and where its fields stand.
        warn: called with a line for each thing that may be wrong.
        findings: a line for each thing that is wrong: "file:line: field: problem".
        unproved: the points that could not be compared.
        source_files: SOURCE:PATH -> SHA-256 of each file that a patch takes from a source.
        pip_groups: numbers of pip lines that one call of pip can install, group by group.
    """

    document: ReleaseDocument
    warn: Callable[[str], object]
    findings: list[str] = field(default_factory=list)
    unproved: list[UnprovedPoint] = field(default_factory=list)
    source_files: dict[str, str] = field(default_factory=dict)
    pip_groups: list[tuple[int, ...]] = field(default_factory=list)

    def add_finding(self, location: Location, problem: str) -> None:
        """Record that a field of the release is wrong about its files.

        Args:
            location: the field, such as `("patches", 0, "count")`.
            problem: what was looked for, where, and what is there instead.
        """
        self.findings.append(f"{self.document.describe_place(location)}: {problem}")

    def add_warning(self, location: Location, problem: str) -> None:
        """Warn about a field that may be wrong.

        Args:
            location: the field.
            problem: what may be wrong.
        """
        self.warn(f"{self.document.describe_place(location)}: {problem}")

    def add_unproved(self, location: Location, reason: str) -> None:
        """Record that a field could not be compared with the files that it names.

        Args:
            location: the field.
            reason: why, such as "the source has no bundle".
        """
        name = ".".join(map(str, location))
        self.unproved.append(UnprovedPoint(field=name, reason=english(reason)))

    def raise_findings(self) -> None:
        """Reject the release if anything is wrong about it.

        Raises:
            InvalidInput: with every finding.
        """
        if self.findings:
            raise InvalidInput("\n".join(dict.fromkeys(self.findings)))
