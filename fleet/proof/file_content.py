"""What a file of the container contains, as far as the controller can read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from fleet.errors import InvalidInput
from fleet.language import _
from fleet.proof import migration_rules

#: Content by generation of the migration tool; with this key alone if it is the same for all.
Versions = dict[str, bytes]
ANY_GENERATION = ""


class UnreadableContent(Exception):
    """The content of a file cannot be known; the message is a clause that says why."""


@dataclass(frozen=True)
class ContainerFile:
    """A file of the container.

    Attributes:
        origin: where it comes from, such as "source transformers".
        read: returns its content; raises UnreadableContent.
    """

    origin: str
    read: Callable[[], Versions]

    @cached_property
    def versions(self) -> Versions:
        """Its content by generation of the migration tool.

        Raises:
            UnreadableContent: It cannot be known.
        """
        return self.read()

    def decode(self) -> dict[str, str]:
        """Return its text by generation of the migration tool.

        Raises:
            UnreadableContent: It cannot be known, or is no text.
        """
        try:
            return {name: content.decode() for name, content in self.versions.items()}
        except UnicodeDecodeError as error:
            raise UnreadableContent(_("it is not UTF-8 text")) from error


def create_readable_file(origin: str, load: Callable[[], bytes]) -> ContainerFile:
    """Create the :class:`ContainerFile` of a file that can be read.

    Args:
        origin: where it comes from.
        load: reads its content.
    """

    def read() -> Versions:
        try:
            return {ANY_GENERATION: load()}
        except (InvalidInput, OSError) as error:
            raise UnreadableContent(_("it cannot be read: {error}", error=error)) from error

    return ContainerFile(origin, read)


def create_unreadable_file(origin: str, reason: str) -> ContainerFile:
    """Create the :class:`ContainerFile` of a file whose content cannot be known.

    Args:
        origin: where it comes from.
        reason: why, as a clause.
    """

    def read() -> Versions:
        raise UnreadableContent(reason)

    return ContainerFile(origin, read)


def create_migrated_file(path: str, original: ContainerFile) -> ContainerFile:
    """Create the :class:`ContainerFile` of the copy that the migration tool makes.

    Args:
        path: its path, which tells the tool whether to rewrite it.
        original: the file in the source.
    """

    def read() -> Versions:
        # of most files only a checksum is wanted: their content is kept in the copy alone
        contents = original.read()
        if not path.endswith(migration_rules.SUFFIX) or len(contents) > 1:
            return contents
        try:
            return merge_equal(migration_rules.migrate_content(contents[ANY_GENERATION]))
        except UnicodeDecodeError as error:
            raise UnreadableContent(
                _("it is not UTF-8, which the migration tool expects")
            ) from error

    return ContainerFile(_("{origin}, migrated", origin=original.origin), read)


def merge_equal(versions: Versions) -> Versions:
    """Replace equal contents of all generations by a single one.

    Args:
        versions: content by generation.

    Returns:
        The same, or the one content under :data:`ANY_GENERATION`.
    """
    contents = set(versions.values())
    return {ANY_GENERATION: contents.pop()} if len(contents) == 1 else versions
