"""Evaluates pictures on a card, as the tutorial has edited it."""

import argparse
import struct
import zlib

import torch
import torch_mlu  # noqa: F401
from yolact import Yolact


def png(rows: list[bytes], size: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    head = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--trained_model", required=True)
    parser.add_argument("--image", required=True)
    given = parser.parse_args()
    source, target = given.image.split(":")
    net = Yolact()
    net.load_weights(given.trained_model)
    net = net.to("mlu")
    with open(source, "rb") as file:
        picture = torch.tensor(list(file.read(64)), dtype=torch.float32).reshape(8, 8).to("mlu")
    with torch.no_grad():
        masked = net.mask(picture).clamp(0, 255).cpu().to(torch.uint8)
    with open(target, "wb") as file:
        file.write(png([bytes(row) for row in masked.tolist()], 8))
    print(f"Saved {target}")
