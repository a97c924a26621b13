"""What a browser would make of a page, without one."""

from __future__ import annotations

from html.parser import HTMLParser


class Seen(HTMLParser):
    """Tags and text of a page, in their order.

    Attributes:
        tags: Each tag that begins, with its attributes.
        text: The pieces of text between tags.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def classes(self, word: str) -> list[dict[str, str | None]]:
        """Attributes of the tags that have a class."""
        return [a for _, a in self.tags if word in (a.get("class") or "").split()]

    def ids(self) -> list[str]:
        """Identifiers of the tags that have one."""
        return [found for _, attributes in self.tags if (found := attributes.get("id"))]
