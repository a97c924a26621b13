"""What is known of the vendor's images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class VendorImage:
    """The facts of an image.

    Attributes:
        tag: its tag.
        source: where the facts stand.
        python: version of its interpreter.
        torch: version of its PyTorch.
        tool: path of its migration tool.
        files: files that tutorials name.
    """

    tag: str
    source: str
    python: str
    torch: str
    tool: str
    files: tuple[str, ...] = ()

    def has(self, path: str) -> bool:
        """Check whether a path is known to be in the image.

        Args:
            path: path of a file or folder.

        Returns:
            Whether a tutorial names it, or a file below it.
        """
        return any(file == path or file.startswith(f"{path}/") for file in self.files)


def load_images() -> dict[str, VendorImage]:
    """Load the facts of all images.

    Returns:
        The facts by tag.
    """
    path = Path(__file__).with_name("images.yml")
    images = [VendorImage(**item) for item in yaml.safe_load(path.read_text(encoding="utf-8"))]
    return {image.tag: image for image in images}
