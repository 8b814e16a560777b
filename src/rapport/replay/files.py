"""Opening a data file: compression and format are found from its first bytes and its name."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

from rapport.errors import MappingError
from rapport.replay.mapping import FileFormat
from rapport.replay.read_json import JsonReader
from rapport.replay.read_parquet import ParquetReader
from rapport.replay.read_text import TextReader
from rapport.replay.rows import Chunk

__all__ = ["DataFile", "file_format_of"]

FileType = Literal["csv", "whitespace", "jsonl", "parquet"]
_HEAD = 4_096
_SUFFIXES: dict[str, FileType] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}


class DataFile:
    """An open data file, as chunks of rows. Use it as a context manager.

    Raises:
        MappingError: it cannot be opened, or is not of the mapping's format.
    """

    def __init__(self, path: Path, file_format: FileFormat) -> None:
        self.path = path
        self._raw: BinaryIO = _open(path)
        self._size = max(1, os.fstat(self._raw.fileno()).st_size)
        try:
            plain = _plain(self._raw)
            head = plain.peek(_HEAD)[:_HEAD]
            self.token = _token(path, head)
            """12 hex digits that stay the same for this file, compressed or not, wherever it lies."""
            self._reader = _reader(path, plain, head, file_format)
        except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError, LookupError) as error:
            self._raw.close()
            raise MappingError(f"{path}: cannot be read: {error}") from None
        except MappingError:
            self._raw.close()
            raise

    @property
    def columns(self) -> list[str] | None:
        """The file's columns; None for JSON lines, where each row names its own."""
        return self._reader.columns

    def chunks(self) -> Iterator[Chunk]:
        """The rows, once.

        Raises:
            MappingError: the file ends within its compressed data, or is not in the mapping's encoding.
        """
        try:
            yield from self._reader.chunks()
        except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError, OSError) as error:
            raise MappingError(f"{self.path}: cannot be read to its end: {error}") from None

    def fraction(self) -> float:
        """Share of the file that has been read, 0 to 1."""
        if isinstance(self._reader, ParquetReader):
            return self._reader.fraction()
        return min(1.0, self._raw.tell() / self._size)

    def __enter__(self) -> DataFile:
        return self

    def __exit__(self, *_: object) -> None:
        if isinstance(self._reader, ParquetReader):
            self._reader.close()
        self._raw.close()


def file_format_of(path: Path, head: bytes, declared: FileFormat) -> FileType:
    """The format of a file from its first bytes (decompressed) and its name.

    Raises:
        MappingError: its content is not of the format that the mapping declares.
    """
    content: FileType | None = "parquet" if head.startswith(b"PAR1") else None
    if content is None and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        content = "jsonl"
    if declared.type != "auto":
        if "parquet" in (content, declared.type) and content != declared.type:
            raise MappingError(f"{path}: the mapping says {declared.type}, the file's content is {content or 'text'}")
        return declared.type
    suffixes = [suffix.lower() for suffix in path.suffixes]
    by_name = next((_SUFFIXES[suffix] for suffix in reversed(suffixes) if suffix in _SUFFIXES), None)
    if by_name == "parquet" and content != "parquet":
        raise MappingError(f"{path}: named as a Parquet file, but its content is not Parquet")
    return content or by_name or "csv"


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise MappingError(f"{path}: cannot be opened: {error.strerror}") from None


def _plain(raw: BinaryIO) -> io.BufferedReader:
    buffered = cast(io.BufferedReader, raw)
    if not buffered.peek(2).startswith(b"\x1f\x8b"):
        return buffered
    return io.BufferedReader(cast(io.RawIOBase, gzip.GzipFile(fileobj=raw)), 1 << 18)


def _token(path: Path, head: bytes) -> str:
    name = path.name.removesuffix(".gz")
    return hashlib.blake2b(name.encode("utf-8", "surrogateescape") + b"\0" + head, digest_size=6).hexdigest()


def _reader(
    path: Path, plain: io.BufferedReader, head: bytes, declared: FileFormat
) -> TextReader | JsonReader | ParquetReader:
    kind = file_format_of(path, head, declared)
    if kind != "jsonl" and declared.explode:
        raise MappingError(f"{path}: `explode` needs JSON lines; this file is {kind}")
    if kind == "jsonl":
        return JsonReader(plain, declared)
    if kind == "parquet":
        return ParquetReader(path, declared)
    encoding = "utf-8-sig" if declared.encoding.lower().replace("_", "-") in ("utf-8", "utf8") else declared.encoding
    text = io.TextIOWrapper(plain, encoding=encoding, errors="surrogateescape", newline="")
    return TextReader(str(path), text, declared, whitespace=kind == "whitespace")
