"""What the lab's YOLACT calls of OpenCV, which itself needs libraries of a screen."""

import numpy
from PIL import Image


def imread(path: str) -> numpy.ndarray:
    """Read a picture, with blue first."""
    return numpy.array(Image.open(path).convert("RGB"))[:, :, ::-1].copy()


def imwrite(path: str, picture: numpy.ndarray) -> bool:
    """Write a picture in the format that its name says."""
    Image.fromarray(picture).save(path)
    return True
