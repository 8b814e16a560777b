"""A writer's .proto file: compiled when it is text, and made into classes of messages."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64decode
from importlib import import_module
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]

from rapport.errors import RegistryRefused
from rapport.registry import RegisteredSchema

__all__ = ["ProtoFile", "load_proto"]

_MAIN = "rapport-event.proto"
_COMPILE_S = 20
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]+")
_PATH = re.compile(r"[\w.-]+(/[\w.-]+)*\.proto")
_WELL_KNOWN = re.compile(r"google/protobuf/([a-z_]+)\.proto")
_MALFORMED = (DecodeError, AttributeError, KeyError, RecursionError, TypeError, ValueError)


class ProtoFile:
    """The messages of one file.

    Args:
        files: the file, after those that it needs.
    """

    def __init__(self, files: list[FileDescriptorProto]) -> None:
        self._file = files[-1]
        self._pool = DescriptorPool()
        for file in files:
            self._pool.AddSerializedFile(file.SerializeToString())
        self._pool.FindFileByName(self._file.name)

    def message(self, indexes: list[int]) -> Any | None:
        """The class of a message by its place in the file, and in the messages around it; None: there is none."""
        inside: Any = self._file.message_type
        names = [self._file.package] if self._file.package else []
        for index in indexes:
            if not 0 <= index < len(inside):
                return None
            names.append(inside[index].name)
            inside = inside[index].nested_type
        return GetMessageClass(self._pool.FindMessageTypeByName(".".join(names)))


def load_proto(schema: RegisteredSchema) -> ProtoFile:
    """The file of a writer's schema, which is text, or a compiled file in base64.

    Raises:
        RegistryRefused: it is neither, or does not compile.
    """
    try:
        if _is_compiled(schema.text):
            files = {**schema.references, _MAIN: schema.text}
            return ProtoFile(_with_needed([_compiled(name, text) for name, text in files.items()]))
        return ProtoFile(_compile(schema))
    except _MALFORMED as error:
        raise RegistryRefused(f"not a file of Protocol Buffers: {type(error).__name__} {error}"[:250]) from None


def _is_compiled(text: str) -> bool:
    return _BASE64.fullmatch(text) is not None


def _compiled(name: str, text: str) -> FileDescriptorProto:
    if not _is_compiled(text):
        raise RegistryRefused("one file is compiled, and another is text")
    file = FileDescriptorProto.FromString(b64decode(text))
    # Others import it by the name that the reference gives it, whatever it calls itself.
    file.name = name
    return file


def _with_needed(files: list[FileDescriptorProto]) -> list[FileDescriptorProto]:
    """The files after those of Google's that they import."""
    have = {file.name for file in files}
    found: dict[str, FileDescriptorProto] = {}
    waiting = [name for file in files for name in file.dependency if name not in have]
    while waiting:
        name = waiting.pop()
        file = found.pop(name, None) or _well_known(name)
        # Taken out and put back, so that the dictionary's order reversed has each after what it needs.
        found[name] = file
        waiting += file.dependency
    return [*reversed(found.values()), *files]


def _well_known(name: str) -> FileDescriptorProto:
    match = _WELL_KNOWN.fullmatch(name)
    if match is None:
        raise RegistryRefused(f"imports {name[:80]!r}, which it does not refer to in the registry")
    try:
        module = import_module(f"google.protobuf.{match[1]}_pb2")
    except ImportError:
        raise RegistryRefused(f"imports {name[:80]!r}, which there is not") from None
    file = FileDescriptorProto()
    module.DESCRIPTOR.CopyToProto(file)
    return file


def _compile(schema: RegisteredSchema) -> list[FileDescriptorProto]:
    """Compile the text in a process of its own: whatever it holds, this one goes on."""
    with TemporaryDirectory(prefix="rapport-proto-") as name:
        folder = Path(name)
        for path, text in {**schema.references, _MAIN: schema.text}.items():
            if not _PATH.fullmatch(path) or ".." in PurePosixPath(path).parts:
                raise RegistryRefused(f"refers to {path[:80]!r}, which is no path of a .proto file")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        out = folder / "files.bin"
        argv = [sys.executable, "-I", "-c", _PROTOC, f"-I{folder}", f"-o{out}", "--include_imports", _MAIN]
        try:
            ended = subprocess.run(argv, capture_output=True, text=True, timeout=_COMPILE_S, cwd=folder)
        except subprocess.TimeoutExpired:
            raise RegistryRefused(f"did not compile within {_COMPILE_S} s") from None
        if ended.returncode != 0 or not out.is_file():
            raise RegistryRefused(f"does not compile: {_words(ended.stderr, folder) or ended.returncode}")
        return list(FileDescriptorSet.FromString(out.read_bytes()).file)


_PROTOC = """\
import sys
from pathlib import Path
import grpc_tools
from grpc_tools import protoc
sys.exit(protoc.main(["protoc", *sys.argv[1:], f"-I{Path(grpc_tools.__file__).parent / '_proto'}"]))
"""


def _words(said: str, folder: Path) -> str:
    """What the compiler said of the file, without its remarks and where the file lay."""
    lines = [line.replace(f"{folder}/", "") for line in said.splitlines() if "rror" in line or ".proto:" in line]
    return "; ".join(line for line in lines if not line.startswith("W0"))[:250]
