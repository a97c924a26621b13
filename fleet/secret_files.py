"""Files with secrets, which only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path

from fleet.errors import InvalidInput
from fleet.language import N_, _

#: bytes that are read of such a file
MAX_BYTES = 1 << 20
#: rights that nobody but its owner may have
OTHERS_MODE = 0o077
#: characters of a key that cannot be guessed, and that fits into a request's headers
MIN_KEY_LENGTH, MAX_KEY_LENGTH = 16, 1024
NOT_ONE_WORD = N_(
    "{place}: not one word of at least {least} characters, and at most {most}: write into it what "
    "`openssl rand -hex 32` prints"
)
NOT_ASCII = N_(
    "{place}: not ASCII text of at least {least} characters, and at most {most}: write into it "
    "what `openssl rand -hex 32` prints"
)


def read_private_file(path: str | Path, place: str) -> bytes:
    """Read a file that only its owner may read.

    Args:
        path: The file; `~` is the home folder.
        place: What names the file, and the file, for error messages.

    Returns:
        Its content.

    Raises:
        InvalidInput: It cannot be read, or others can read it. As of all functions here, the
            message quotes nothing of it.
    """
    try:
        with open(os.path.expanduser(path), "rb") as file:
            # of the file that was opened: the name may lead to another one by now
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(MAX_BYTES)
    except OSError as error:
        raise InvalidInput(
            _(
                "{place}: {reason}: name a file that can be read",
                place=place,
                reason=error.strerror,
            )
        ) from None
    if mode & OTHERS_MODE:
        raise InvalidInput(
            _("{place}: others can read it: run `chmod 600 {path}`", place=place, path=path)
        )
    return content


def read_secret(path: str | Path, field: str) -> str:
    """Read a secret from a file that only its owner may read.

    Args:
        path: The file; its first and only line is the secret.
        field: What names the file, for error messages.

    Returns:
        The secret, without blanks around it.

    Raises:
        InvalidInput: The file cannot be used.
    """
    place = f"{field}: {path}"
    try:
        lines = read_private_file(path, place).decode().split("\n")
    except UnicodeDecodeError:
        raise InvalidInput(
            _("{place}: it is not UTF-8 text: write the secret into it", place=place)
        ) from None
    if not lines[0].strip() or any(line.strip() for line in lines[1:]):
        raise InvalidInput(_("{place}: write the secret as its only line", place=place))
    return lines[0].strip()


def read_key(path: str | Path, field: str) -> str:
    """Read a key that clients send with their requests.

    Args:
        path: The file, which only its owner may read; the key is its only word.
        field: What names the file, for error messages.

    Returns:
        The key: printable ASCII, of `MIN_KEY_LENGTH` to `MAX_KEY_LENGTH` characters.

    Raises:
        InvalidInput: The file cannot be used.
    """
    place = f"{field}: {path}"
    content = read_private_file(path, place)
    words = content.decode("ascii", "replace").split()
    is_text = content.isascii() and all(map(str.isprintable, words))
    if not is_text or len(words) != 1 or not MIN_KEY_LENGTH <= len(words[0]) <= MAX_KEY_LENGTH:
        problem = NOT_ONE_WORD if is_text else NOT_ASCII
        raise InvalidInput(_(problem, place=place, least=MIN_KEY_LENGTH, most=MAX_KEY_LENGTH))
    return words[0]
