"""Commands: their streams, their ends, and what becomes of them when nobody wants them any more."""

import asyncio
import concurrent.futures
import hashlib
import random
import time

import pytest
from conftest import eventually, is_running, sh, unique_sleep
from cwsandbox import SandboxExecutionError, SandboxTimeoutError, results, wait


def test_a_command_gives_its_streams_and_its_code(sandbox):
    result = sandbox.exec(sh("echo out; echo err >&2; exit 7")).result(30)
    assert (result.stdout, result.stderr, result.returncode) == ("out\n", "err\n", 7)


def test_a_clean_command_says_nothing_on_stderr(sandbox):
    result = sandbox.exec(["true"]).result(30)
    assert (result.stdout_bytes, result.stderr_bytes, result.returncode) == (b"", b"", 0)


def test_output_comes_as_it_is_made(sandbox):
    process = sandbox.exec(sh("echo one; read -r word; echo $word"), stdin=True)
    stream = iter(process.stdout)
    assert next(stream) == "one\n"
    assert process.poll() is None
    process.stdin.writeline("two").result(30)
    assert "".join(stream) == "two\n"
    assert process.wait(30) == 0


def test_both_streams_can_be_read_line_by_line(sandbox):
    process = sandbox.exec(sh("for n in 1 2 3; do echo $n; echo e$n >&2; sleep 0.05; done"))
    assert "".join(process.stdout) == "1\n2\n3\n"
    assert "".join(process.stderr) == "e1\ne2\ne3\n"


def test_every_byte_goes_in_and_comes_out(sandbox):
    data = bytes(range(256)) * 16
    process = sandbox.exec(["cat"], stdin=True)
    process.stdin.write(data).result(30)
    process.stdin.close().result(30)
    assert process.result(30).stdout_bytes == data


def test_a_lot_of_input_comes_through_unchanged(sandbox):
    data = random.Random(1).randbytes(8 * 1024 * 1024)
    process = sandbox.exec(["sha256sum"], stdin=True)
    for start in range(0, len(data), 500_000):
        process.stdin.write(data[start : start + 500_000]).result(30)
    process.stdin.close().result(30)
    assert process.result(60).stdout.split()[0] == hashlib.sha256(data).hexdigest()


def test_a_lot_of_output_comes_through_unchanged(sandbox):
    script = "i=0; while [ $i -lt 16 ]; do head -c 1048576 /dev/zero | tr '\\0' 'abcdefghijklmnop'; i=$((i+1)); done"
    result = sandbox.exec(sh(script)).result(60)
    assert len(result.stdout_bytes) == 16 * 1024 * 1024
    assert set(result.stdout_bytes) == {ord("a")}


def test_input_that_ends_at_once_is_an_empty_one(sandbox):
    assert sandbox.exec(["cat"]).result(30).stdout == ""
    process = sandbox.exec(["cat"], stdin=True)
    process.stdin.close().result(30)
    assert process.result(30).returncode == 0


def test_input_that_nobody_reads_does_not_hold_the_end(sandbox):
    process = sandbox.exec(sh("exec <&-; sleep 0.3; echo done"), stdin=True)
    for _ in range(8):
        process.stdin.write(bytes(100_000)).result(30)
    process.stdin.close().result(30)
    assert process.result(30).stdout == "done\n"


def test_characters_come_out_whole(sandbox):
    assert sandbox.exec(["printf", "%s", "żółć 漢字 🎉"]).result(30).stdout == "żółć 漢字 🎉"


def test_arguments_arrive_as_they_are(sandbox):
    words = ["a b", "", "*", "$HOME", "'\"", "new\nline", "ü"]
    result = sandbox.exec(["printf", "[%s]", *words]).result(30)
    assert result.stdout == "".join(f"[{word}]" for word in words)
    assert sandbox.exec(sh("echo ${#1}") + ["sh", "x" * 100_000]).result(30).stdout == "100000\n"


def test_check_makes_an_error_of_a_code(sandbox):
    process = sandbox.exec(sh("echo why >&2; exit 3"), check=True)
    with pytest.raises(SandboxExecutionError) as caught:
        process.result(30)
    assert caught.value.exec_result.returncode == 3
    assert caught.value.exec_result.stderr == "why\n"


@pytest.mark.parametrize(("signal", "code"), [("KILL", 137), ("TERM", 143)])
def test_the_end_by_a_signal_is_a_code(sandbox, signal, code):
    assert sandbox.exec(sh(f"kill -{signal} $$")).result(30).returncode == code


@pytest.mark.parametrize(
    ("command", "reason"),
    [("no-such-command", "COMMAND_NOT_FOUND"), ("/etc/passwd", "COMMAND_NOT_EXECUTABLE")],
)
def test_a_command_that_cannot_start_is_an_error(sandbox, command, reason):
    process = sandbox.exec([command])
    with pytest.raises(SandboxExecutionError) as caught:
        process.result(30)
    assert caught.value.reason == reason
    assert command in str(caught.value)
    assert list(process.stdout) == []


def test_a_time_limit_ends_the_command_and_all_that_it_started(sandbox):
    seconds = unique_sleep()
    process = sandbox.exec(sh(f"setsid sleep {seconds} & sleep {seconds}"), timeout_seconds=1)
    eventually(lambda: is_running(seconds))
    with pytest.raises(SandboxTimeoutError):
        process.result(30)
    eventually(lambda: not is_running(seconds))
    assert sandbox.exec(["echo", "well"]).result(30).stdout == "well\n"


@pytest.mark.parametrize("stdin", [False, True])
def test_cancel_ends_the_command_and_nothing_else(sandbox, stdin):
    seconds = unique_sleep()
    process = sandbox.exec(sh(f"trap '' TERM; sleep {seconds}; sleep {seconds}"), stdin=stdin)
    eventually(lambda: is_running(seconds))
    assert process.cancel() is True
    with pytest.raises(concurrent.futures.CancelledError):
        process.result(30)
    eventually(lambda: not is_running(seconds))
    assert sandbox.exec(["echo", "well"]).result(30).stdout == "well\n"


def test_a_working_directory(sandbox):
    assert sandbox.exec(["pwd"], cwd="/usr/bin").result(30).stdout == "/usr/bin\n"
    assert sandbox.exec(["pwd"], cwd="/no/such/place").result(30).returncode != 0


def test_a_background_process_does_not_hold_the_end(sandbox):
    started = time.monotonic()
    result = sandbox.exec(sh("sleep 30 & echo started")).result(20)
    assert result.stdout == "started\n"
    assert time.monotonic() - started < 10


def test_what_a_command_leaves_is_there_for_the_next(sandbox):
    sandbox.exec(sh("echo kept > /tmp/left")).result(30)
    assert sandbox.exec(["cat", "/tmp/left"]).result(30).stdout == "kept\n"


def test_many_at_a_time(sandbox):
    processes = [sandbox.exec(sh(f"sleep 0.1; echo {n}")) for n in range(120)]
    done, pending = wait(processes, timeout=60)
    assert (len(done), pending) == (120, [])
    assert [result.stdout for result in results(processes)] == [f"{n}\n" for n in range(120)]


def test_commands_can_be_awaited(sandbox):
    async def both():
        return await asyncio.gather(sandbox.exec(["echo", "a"]), sandbox.exec(["echo", "b"]))

    assert [result.stdout for result in asyncio.run(both())] == ["a\n", "b\n"]


def test_a_reader_that_is_slow_loses_nothing(sandbox):
    process = sandbox.exec(sh("seq 200000"))
    seen = []
    for chunk in process.stdout:
        seen.append(chunk)
        time.sleep(0.002)
    assert "".join(seen) == "".join(f"{n}\n" for n in range(1, 200_001))
