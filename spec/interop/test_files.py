"""Files: in one call, by the client's ways round the size of one call, and what goes wrong."""

import random
import stat

import pytest
from conftest import sh
from cwsandbox import SandboxFileError

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def large():
    """More than a call of the service takes: 32 MiB."""
    return random.Random(2).randbytes(40 * MIB)


@pytest.mark.parametrize(
    "data",
    [b"", b"text\n", bytes(range(256)), bytes(5 * MIB)],
    ids=["empty", "text", "every byte", "5 MiB"],
)
def test_a_file_comes_back_as_it_was(sandbox, data):
    sandbox.write_file("/tmp/file", data).result(30)
    assert sandbox.read_file("/tmp/file").result(30) == data


def test_a_file_is_replaced(sandbox):
    sandbox.write_file("/tmp/replaced", b"a long text").result(30)
    sandbox.write_file("/tmp/replaced", b"short").result(30)
    assert sandbox.read_file("/tmp/replaced").result(30) == b"short"


def test_commands_see_files_and_files_see_commands(sandbox):
    sandbox.write_file("/tmp/seen", b"to a command").result(30)
    assert sandbox.exec(["cat", "/tmp/seen"]).result(30).stdout == "to a command"
    sandbox.exec(sh("printf 'from a command' > /tmp/made")).result(30)
    assert sandbox.read_file("/tmp/made").result(30) == b"from a command"


def test_directories_are_made_for_a_file(sandbox):
    sandbox.write_file("/tmp/some/new/place/file", b"deep").result(30)
    assert sandbox.read_file("/tmp/some/new/place/file").result(30) == b"deep"


def test_odd_names(sandbox):
    for name in ["with space", "ünï", "-n", "quote'\"", "new\nline", "$(true)"]:
        sandbox.write_file(f"/tmp/{name}", name.encode()).result(30)
        assert sandbox.read_file(f"/tmp/{name}").result(30) == name.encode()


def test_a_large_file_goes_both_ways(sandbox, large):
    sandbox.write_file("/tmp/large", large).result(60)
    assert sandbox.exec(["stat", "-c", "%s", "/tmp/large"]).result(30).stdout == f"{len(large)}\n"
    assert sandbox.read_file("/tmp/large").result(60) == large


def test_a_file_of_just_the_largest_size_goes_in_one_call(sandbox):
    data = bytes(32 * MIB)
    before = sandbox.exec_stats["exec_count"]
    sandbox.write_file("/tmp/largest", data).result(60)
    assert sandbox.read_file("/tmp/largest").result(60) == data
    assert sandbox.exec_stats["exec_count"] == before


def test_streams_of_a_file(sandbox, large):
    pieces = (large[start : start + 700_000] for start in range(0, len(large), 700_000))
    sandbox.write_file_streaming("/tmp/streamed", pieces).result(60)
    assert b"".join(sandbox.read_file_streaming("/tmp/streamed")) == large
    sandbox.write_file_streaming("/tmp/streamed", b"small").result(30)
    assert b"".join(sandbox.read_file_streaming("/tmp/streamed")) == b"small"


def test_a_stream_that_is_not_read_to_its_end(sandbox, large):
    sandbox.write_file("/tmp/large", large).result(60)
    reader = sandbox.read_file_streaming("/tmp/large")
    next(iter(reader))
    reader.close()
    assert sandbox.exec(["echo", "well"]).result(30).stdout == "well\n"


def fails(operation):
    with pytest.raises(SandboxFileError) as caught:
        operation.result(30)
    return caught.value


def test_a_missing_file(sandbox):
    error = fails(sandbox.read_file("/tmp/none"))
    assert error.reason == "CWSANDBOX_FILE_NOT_FOUND"
    assert error.filepath == "/tmp/none"
    assert error.metadata["filepath"] == "/tmp/none"


def test_a_directory(sandbox):
    for operation in [sandbox.read_file("/tmp"), sandbox.write_file("/tmp", b"x")]:
        error = fails(operation)
        assert error.reason == "CWSANDBOX_FILE_IS_DIRECTORY"
        assert error.metadata["filepath"] == "/tmp"


def test_a_file_that_may_not_be_written(sandbox, isolated):
    error = fails(sandbox.write_file("/usr/file", b"x"))
    assert error.reason in ("CWSANDBOX_FILE_PERMISSION_DENIED", "CWSANDBOX_FILE_IO_FAILED")
    assert error.filepath == "/usr/file"


def test_a_file_below_a_file(sandbox):
    sandbox.write_file("/tmp/plain", b"x").result(30)
    error = fails(sandbox.write_file("/tmp/plain/below", b"x"))
    assert error.reason == "CWSANDBOX_FILE_IO_FAILED"


def test_a_missing_file_as_a_stream(sandbox):
    with pytest.raises(SandboxFileError):
        list(sandbox.read_file_streaming("/tmp/none"))


def test_mounted_files(session):
    files = [
        {"mount_path": "/tmp/mounted/in/directories/file", "file_content": b"\x00mounted\xff"},
        {"mount_path": "/tmp/run.sh", "file_content": b"echo ran"},
    ]
    sandbox = session.sandbox(command="/bin/sh", args=["/tmp/run.sh"], mounted_files=files)
    sandbox.wait_until_complete(30).result(30)
    assert sandbox.returncode == 0
    with session.sandbox(mounted_files=files) as sandbox:
        content = sandbox.read_file("/tmp/mounted/in/directories/file").result(30)
        assert content == b"\x00mounted\xff"
        mode = int(sandbox.exec(["stat", "-c", "%a", "/tmp/run.sh"]).result(30).stdout, 8)
        assert mode & stat.S_IRUSR
