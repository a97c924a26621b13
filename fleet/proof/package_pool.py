"""The packages that pip may choose from: of the wheelhouse, of the image, and of the release."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from fleet.proof.pip_packages import Package, is_valid_version
from fleet.proof.pip_resolver import PipResolver
from fleet.proof.wheelhouse import Wheelhouse, list_candidate_versions


@dataclass
class PackagePool:
    """The packages of a wheelhouse and of an image, and those that a release brings itself.

    Attributes:
        house: packages of the wheelhouse.
        resolver: pip, with the packages of the image.
        requirements: everything that the release asks for by name.
        placeholders: name and version of packages that stand for missing ones.
    """

    house: Wheelhouse
    resolver: PipResolver
    requirements: list[Requirement] = field(default_factory=list)
    placeholders: set[tuple[str, str]] = field(default_factory=set)
    _local: dict[tuple[str, str], Package] = field(default_factory=dict)

    def list_packages(self, name: str) -> list[Package]:
        """List the packages of a project.

        Args:
            name: normalized name.

        Returns:
            Those of the wheelhouse, of the release and of the image.
        """
        packages = [package for package, _ in self.house.packages.get(name, ())]
        packages += [package for package in self._local.values() if package.name == name]
        installed = self.resolver.installed.get(name)
        return [*packages, installed] if installed else packages

    def find(self, name: str, version: str) -> Package | None:
        """Find a package.

        Args:
            name: normalized name.
            version: its version; "" for the installed one.

        Returns:
            The package; None if there is no such package.
        """
        if not version:
            return self.resolver.installed.get(name)
        packages = (one for one in self.list_packages(name) if is_valid_version(one.version))
        return next((one for one in packages if Version(one.version) == Version(version)), None)

    def has_version(self, requirement: Requirement) -> bool:
        """Tell whether a package fulfills a requirement.

        Args:
            requirement: the requirement.

        Returns:
            Whether there is one, whatever else limits its version.
        """
        return any(
            requirement.specifier.contains(package.version, prereleases=True)
            for package in self.list_packages(canonicalize_name(requirement.name))
            if is_valid_version(package.version)
        )

    def list_unfulfilled(self, texts: list[str]) -> list[str]:
        """List the requirements for which there is no package.

        Args:
            texts: requirements.

        Returns:
            Those among them; texts that are no requirements are left out.
        """
        unfulfilled = []
        for text in texts:
            with suppress(InvalidRequirement):
                if not self.has_version(Requirement(text)):
                    unfulfilled.append(text)
        return unfulfilled

    def add_local(self, package: Package) -> Path:
        """Add a package that pip gets by the path of its wheel.

        Args:
            package: the package.

        Returns:
            The path.
        """
        folder = self.resolver.folder / "local"
        folder.mkdir(exist_ok=True)
        self._local[package.name, package.version] = package
        return package.write_wheel(folder)

    def add_any_version(self, package: Package) -> None:
        """Let pip find a package of unknown version, in any version that something needs.

        Args:
            package: the package; its version does not count.
        """
        self.placeholders -= {one for one in self.placeholders if one[0] == package.name}
        for version in list_candidate_versions(self._find_requirements(package.name)):
            candidate = replace(package, version=version)
            self._local[package.name, version] = candidate
            candidate.write_wheel(self.resolver.wheels)

    def _find_requirements(self, name: str) -> list[Requirement]:
        """List all requirements of a project, by the release or by any package."""
        packages = [package for known in self.house.packages.values() for package, _ in known]
        packages += [*self._local.values(), *self.resolver.installed.values()]
        found = [Requirement(text) for package in packages for text in package.requires]
        return [one for one in (*found, *self.requirements) if canonicalize_name(one.name) == name]

    def add_placeholders(self, texts: Iterable[str]) -> bool:
        """Put empty packages where pip finds what requirements of one project ask for.

        Args:
            texts: the requirements.

        Returns:
            Whether there are more than before.
        """
        try:
            requirements = [Requirement(text) for text in texts]
        except InvalidRequirement:
            return False
        name, before = canonicalize_name(requirements[0].name), len(self.placeholders)
        for version in list_candidate_versions(requirements):
            fits = any(one.specifier.contains(version, prereleases=True) for one in requirements)
            is_known = self.house.find(name, version) or (name, version) in self.placeholders
            if fits and not is_known:
                self.placeholders.add((name, version))
                Package(name, version).write_wheel(self.resolver.wheels)
        return len(self.placeholders) > before

    def add_unknown_projects(self, roots: list[Requirement], *, no_deps: bool) -> None:
        """Put placeholders for each project that may be needed and is nowhere.

        What is asked for in a version that is nowhere gets one as well. pip stops at the first, so
        it would have to be asked once for each.

        Args:
            roots: what is asked for.
            no_deps: whether dependencies do not count.
        """
        queue, visited = list(roots), set[str]()
        lacking: dict[str, list[str]] = {}
        for root in roots:
            if not self.has_version(root):
                lacking.setdefault(canonicalize_name(root.name), []).append(str(root))
        while queue:
            requirement = queue.pop()
            name = canonicalize_name(requirement.name)
            packages = self.list_packages(name)
            if not packages:
                requirement.marker = None
                lacking.setdefault(name, []).append(str(requirement))
            if name not in visited and not no_deps:
                needs = {text for package in packages for text in package.requires}
                queue += [Requirement(text) for text in sorted(needs)]
            visited.add(name)
        for texts in lacking.values():
            self.add_placeholders(texts)
