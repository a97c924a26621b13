"""Checksum files are read in every usual form, or said to be none: never a damaged artifact."""

from __future__ import annotations

import codecs
import hashlib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleet.errors import InvalidInput
from fleet.store import checksum_files, measure

NAME, CONTENT = "driver-5.10.rpm", b"the vendor's bytes"
MD5, SHA1 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha1(CONTENT).hexdigest()
SHA256, SHA512 = hashlib.sha256(CONTENT).hexdigest(), hashlib.sha512(CONTENT).hexdigest()
OTHER = "0123456789abcdef" * 2

FORMS = {
    "coreutils": f"{MD5}  {NAME}\n",
    "binary": f"{MD5} *{NAME}\n",
    "upper case, CRLF": f"{MD5.upper()}  {NAME}\r\n",
    "bare": MD5,
    "bare with blanks": f"  {MD5} \n\n",
    "its folder then": f"{MD5}  ./out/x86_64/{NAME}\n",
    "an absolute path": f"{MD5}  /build/out/{NAME}\n",
    "renamed since": f"{MD5}  driver.rpm\n",
    "BSD": f"MD5 ({NAME}) = {MD5}\n",
    "BSD, another length": f"SHA256 ({NAME}) = {SHA256}\n",
    "OpenSSL": f"MD5({NAME})= {MD5}\n",
    "OpenSSL 3": f"SHA2-256({NAME})= {SHA256}\n",
    "name first": f"{NAME}: {MD5}\n",
    "name first, a blank": f"{NAME} {MD5}\n",
    "name first, equals": f"{NAME}={MD5}\n",
    "ours second": f"{OTHER}  other.rpm\n{MD5}  {NAME}\n",
    "comments": f"# made by hand\n; by nobody\n{MD5}  {NAME}\n# end\n",
    "a signed list": f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{SHA256}  {NAME}\n"
    "-----BEGIN PGP SIGNATURE-----\niQIzBAEBCAAdFiEE\n",
    "certutil": f"MD5 hash of file {NAME}:\r\n{MD5}\r\nCertUtil: -hashfile command completed.\r\n",
    "certutil in Chinese": f"MD5 的 {NAME} 哈希:\r\n{MD5}\r\nCertUtil: -hashfile 完成。\r\n",
    "certutil of Windows 7": "MD5 hash:\r\n"
    f"{' '.join(MD5[i : i + 2] for i in range(0, 32, 2))}\r\n",
    "a table of PowerShell": f"\r\nAlgorithm Hash Path\r\n--------- ---- ----\r\n"
    f"MD5       {MD5.upper()}    C:\\Users\\me\\{NAME}\r\n\r\n",
    "a list of PowerShell": f"\r\nAlgorithm : SHA256\r\nHash      : {SHA256.upper()}\r\n"
    f"Path      : C:\\Users\\me\\{NAME}\r\n",
    "sha1": f"{SHA1}  {NAME}\n",
    "sha512": f"{SHA512}  {NAME}\n",
    "two kinds of one file": f"MD5 ({NAME}) = {MD5}\nSHA1 ({NAME}) = {SHA1}\n",
}
ENCODINGS = {
    "UTF-8": lambda text: text.encode(),
    "with its mark": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16 of PowerShell": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16, big end first": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "GBK": lambda text: text.encode("gb18030"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / NAME).write_bytes(CONTENT)
    return tmp_path / NAME


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", FORMS)
def test_a_sum_is_read_in_its_form_and_a_wrong_one_is_found(
    file: Path, form: str, encoding: str
) -> None:
    beside = file.with_name(f"{NAME}.md5sum")
    beside.write_bytes(ENCODINGS[encoding](FORMS[form]))
    assert measure.measure_file(file).sha256 == SHA256
    file.write_bytes(CONTENT[:-1] + b"z")
    with pytest.raises(InvalidInput, match=r"expects [0-9a-f]+: "):
        measure.measure_file(file)


@pytest.mark.parametrize(
    "ending", ["md5sum", "md5", "sha1", "sha256", "sha256sum", "sha512", "MD5", "SHA256"]
)
def test_a_sum_beside_a_file_counts_whatever_its_ending(file: Path, ending: str) -> None:
    file.with_name(f"{NAME}.{ending}").write_text(f"{SHA256}  {NAME}\n")
    assert measure.measure_file(file).size == len(CONTENT)
    file.with_name(f"{NAME}.{ending}").write_text(f"{'0' * 64}  {NAME}\n")
    with pytest.raises(
        InvalidInput, match=rf"sha256 is {SHA256}, but {NAME}\.{ending} expects 0000"
    ):
        measure.measure_file(file)


@pytest.mark.parametrize(
    "name", ["SHA256SUMS", "MD5SUMS", "sha256sum.txt", "SHA512SUMS.txt", "checklist.chk"]
)
def test_a_list_of_the_folder_counts_where_it_knows_the_file(file: Path, name: str) -> None:
    file.with_name(name).write_text(f"{OTHER}  other.rpm\n")
    assert measure.measure_file(file).size == len(CONTENT)
    file.with_name(name).write_text(f"{OTHER}  other.rpm\n{OTHER} *{NAME}\n\n")
    with pytest.raises(InvalidInput, match=f"{name} expects {OTHER}"):
        measure.measure_file(file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b" \r\n", "it is empty"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "it contains no checksum"),
        (b"\x00\x01\x02\xff\xfe", "it contains no checksum"),
        (b"deadbeef  " + NAME.encode(), "it contains no checksum"),
        (f"{OTHER}  a.rpm\n{MD5}  b.rpm\n".encode(), f"it has 2 checksums, but none of {NAME}"),
    ],
)
def test_what_is_no_sum_of_the_file_is_said_to_be_none(
    file: Path, content: bytes, said: str
) -> None:
    file.with_name(f"{NAME}.md5sum").write_bytes(content)
    with pytest.raises(InvalidInput) as error:
        measure.measure_file(file)
    assert f"{NAME}.md5sum: no checksum of {NAME}: {said}" in str(error.value)


def test_a_sum_file_that_may_not_be_read_is_named(file: Path) -> None:
    file.with_name(f"{NAME}.md5sum").mkdir()  # no file: as if it were not there
    assert measure.measure_file(file).size == len(CONTENT)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
@example(b"\xff\xfe")
@example(b"\xfe\xff\xd8\x00")
@example(("(" * 40_000).encode())
@example(("a" + " " * 40_000 + "x").encode())
@example(("ab " * 20_000).encode())
def test_any_bytes_are_sums_or_none(content: bytes) -> None:
    for name, digits in checksum_files.parse_checksums(content):
        assert len(digits) in checksum_files.ALGORITHM_BY_DIGITS and "\n" not in name


@pytest.mark.parametrize("kind", ["BLAKE2b", "BLAKE2s-256", "SM3", "SHA3-256", "SHA512/256"])
def test_a_sum_of_another_kind_is_none_of_ours(kind: str) -> None:
    with pytest.raises(ValueError, match="it contains no checksum"):
        checksum_files.select_checksums(
            f"{kind} (driver.rpm) = {'0' * 64}\n".encode(), "driver.rpm"
        )
