"""The calls and the rules that the Python client does not use, by bare gRPC with its messages."""

import datetime
import time
import uuid

import grpc
import pytest
from conftest import eventually, is_running, sh, unique_sleep
from cwsandbox._proto import sandbox_pb2 as api
from cwsandbox._proto import sandbox_pb2_grpc
from google.rpc import error_details_pb2, status_pb2

LIMIT = 104_857_600
CODES = grpc.StatusCode


@pytest.fixture(scope="module")
def stub(url):
    options = [("grpc.max_send_message_length", LIMIT), ("grpc.max_receive_message_length", LIMIT)]
    with grpc.insecure_channel(url.removeprefix("http://"), options) as channel:
        yield sandbox_pb2_grpc.SandboxServiceStub(channel)


@pytest.fixture
def box(sandbox):
    """The id of a sandbox that runs."""
    return sandbox.sandbox_id


def spec(*command, **fields):
    main = api.Container(name="main", image="any", command=command[0], args=command[1:])
    return api.SandboxSpec(containers=[main], **fields)


def create(stub, *command, request_id="", **fields):
    sandbox = api.Sandbox(spec=spec(*command, **fields))
    return stub.CreateSandbox(api.CreateSandboxRequest(sandbox=sandbox, request_id=request_id))


def get(stub, sandbox_id):
    return stub.GetSandbox(api.GetSandboxRequest(sandbox_id=sandbox_id))


def delete(stub, sandbox_id, **fields):
    return stub.DeleteSandbox(api.DeleteSandboxRequest(sandbox_id=sandbox_id, **fields))


def running(stub, *command, **fields):
    made = create(stub, *command, **fields)
    eventually(lambda: get(stub, made.sandbox_id).status.state == api.STATE_RUNNING)
    return made.sandbox_id


def refused(call):
    """The status code of a call that fails, and its ErrorInfo."""
    with pytest.raises(grpc.RpcError) as caught:
        outcome = call()
        if hasattr(outcome, "__next__"):
            list(outcome)
    error = caught.value
    info = error_details_pb2.ErrorInfo()
    status = status_pb2.Status()
    trailers = dict(error.trailing_metadata() or ())
    status.ParseFromString(trailers.get("grpc-status-details-bin", b""))
    for detail in status.details:
        if detail.Unpack(info):
            assert info.domain == "cwsandbox.com"
    assert status.code in (0, error.code().value[0])
    return error.code(), info


def execute(stub, box, *command, **fields):
    return stub.Exec(api.ExecRequest(sandbox_id=box, command=command, **fields))


def test_exec(stub, box):
    answer = execute(stub, box, *sh("echo out; echo err >&2; exit 3"))
    assert (answer.stdout, answer.stderr, answer.exit_code) == (b"out\n", b"err\n", 3)
    assert (answer.stdout_bytes_produced, answer.stderr_bytes_produced) == (4, 4)
    assert not answer.stdout_truncated


def test_exec_with_an_environment(stub, box):
    assert execute(stub, box, *sh("echo $WORD"), env={"WORD": "hello"}).stdout == b"hello\n"


def test_exec_keeps_as_much_as_it_is_asked_to(stub, box):
    answer = execute(stub, box, *sh("seq 1000; echo e >&2"), max_output_bytes=10)
    assert answer.stdout == b"1\n2\n3\n4\n5\n"
    assert answer.stdout_truncated
    assert answer.stdout_bytes_produced == 3893
    assert (answer.stderr, answer.stderr_truncated) == (b"e\n", False)


def test_exec_of_what_cannot_start(stub, box):
    code, info = refused(lambda: execute(stub, box, "no-such-command"))
    assert code == CODES.FAILED_PRECONDITION
    assert info.reason


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"command": []}, CODES.INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST"),
        ({"command": ["a\0b"]}, CODES.INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST"),
        ({"max_output_bytes": -1}, CODES.INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST"),
        ({"container": "other"}, CODES.INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST"),
        ({"env": {"A=B": "c"}}, CODES.INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST"),
        ({"sandbox_id": "none"}, CODES.NOT_FOUND, "CWSANDBOX_SANDBOX_NOT_FOUND"),
    ],
)
def test_exec_of_what_is_wrong(stub, box, fields, code, reason):
    request = api.ExecRequest(**{"sandbox_id": box, "command": ["true"], **fields})
    found, info = refused(lambda: stub.Exec(request))
    assert (found, info.reason) == (code, reason)


def test_a_deadline_ends_an_exec_on_the_host(stub, box):
    seconds = unique_sleep()
    request = api.ExecRequest(sandbox_id=box, command=["sleep", seconds])
    assert refused(lambda: stub.Exec(request, timeout=0.5))[0] == CODES.DEADLINE_EXCEEDED
    eventually(lambda: not is_running(seconds))


def opening(box, *command, **fields):
    init = api.ExecStreamInit(sandbox_id=box, command=command, **fields)
    return api.ExecStreamRequest(init=init)


def kinds(answers):
    return [answer.WhichOneof("message") for answer in answers]


def test_a_stream_begins_with_ready_and_ends_with_exit(stub, box):
    answers = list(stub.StreamExec(iter([opening(box, "echo", "hi")])))
    assert kinds(answers) == ["ready", "output", "exit"]
    assert answers[0].ready.ready_time.seconds > 0
    assert answers[1].output.stream == api.ExecStreamOutput.STREAM_STDOUT
    assert answers[2].exit.HasField("completed_time")


def test_a_stream_takes_input_environment_and_close(stub, box):
    requests = [
        opening(box, *sh("echo $WORD; cat; exit 5"), env={"WORD": "hello"}),
        api.ExecStreamRequest(stdin=b"in\n"),
        api.ExecStreamRequest(stdin=b""),
        api.ExecStreamRequest(close=api.ExecStreamClose()),
    ]
    answers = list(stub.StreamExec(iter(requests)))
    output = b"".join(answer.output.data for answer in answers)
    assert (output, answers[-1].exit.exit_code) == (b"hello\nin\n", 5)


def test_a_stream_takes_one_large_piece_of_input(stub, box):
    data = bytes(20 * 1024 * 1024)
    requests = [opening(box, "wc", "-c"), api.ExecStreamRequest(stdin=data)]
    answers = list(stub.StreamExec(iter(requests)))
    assert b"".join(answer.output.data for answer in answers) == b"%d\n" % len(data)


@pytest.mark.parametrize(
    "requests",
    [
        lambda box: [],
        lambda box: [api.ExecStreamRequest()],
        lambda box: [api.ExecStreamRequest(stdin=b"early"), opening(box, "cat")],
        lambda box: [opening(box, "cat"), opening(box, "cat")],
        lambda box: [
            opening(box, "cat"),
            api.ExecStreamRequest(resize=api.ExecStreamResize(width=80, height=24)),
        ],
        lambda box: [opening(box)],
    ],
    ids=["nothing", "no kind", "input first", "two openings", "a size for no terminal", "no command"],
)
def test_a_stream_that_is_wrong(stub, box, requests):
    code, info = refused(lambda: stub.StreamExec(iter(requests(box))))
    assert (code, info.reason) == (CODES.INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST")
    assert execute(stub, box, "echo", "well").stdout == b"well\n"


def test_a_deadline_ends_a_stream_on_the_host(stub, box):
    seconds = unique_sleep()
    call = stub.StreamExec(iter([opening(box, "sleep", seconds)]), timeout=0.5)
    assert refused(lambda: call)[0] == CODES.DEADLINE_EXCEEDED
    eventually(lambda: not is_running(seconds))


def test_a_creation_is_made_once(stub):
    token = str(uuid.uuid4())
    first = create(stub, "sleep", "60", request_id=token)
    assert first.status.state in (api.STATE_CREATING, api.STATE_RUNNING)
    assert create(stub, "sleep", "60", request_id=token).sandbox_id == first.sandbox_id
    code, _ = refused(lambda: create(stub, "sleep", "61", request_id=token))
    assert code == CODES.INVALID_ARGUMENT
    delete(stub, first.sandbox_id)


@pytest.mark.parametrize(
    "sandbox",
    [
        api.Sandbox(),
        api.Sandbox(spec=api.SandboxSpec()),
        api.Sandbox(spec=spec("true", max_lifetime_seconds=2_592_001)),
        api.Sandbox(spec=spec("true", max_lifetime_seconds=-1)),
    ],
    ids=["no spec", "no container", "too long a life", "a negative life"],
)
def test_a_creation_that_is_wrong(stub, sandbox):
    code, info = refused(lambda: stub.CreateSandbox(api.CreateSandboxRequest(sandbox=sandbox)))
    assert (code, info.reason) == (CODES.INVALID_ARGUMENT, "CWSANDBOX_INVALID_REQUEST")


def test_a_deletion_is_quick_and_can_be_repeated(stub):
    box = running(stub, *sh("trap '' TERM; echo up; while :; do sleep 0.1; done"))
    eventually(lambda: logs(stub, box))
    began = time.monotonic()
    answer = delete(stub, box, grace_period_seconds=1)
    assert time.monotonic() - began < 0.5
    assert answer.sandbox.status.state == api.STATE_TERMINATING
    delete(stub, box, grace_period_seconds=1)
    eventually(lambda: get(stub, box).status.state == api.STATE_COMPLETED)
    status = get(stub, box).status
    assert status.exit_code == 137
    assert status.end_time.seconds >= status.start_time.seconds >= status.create_time.seconds > 0
    assert delete(stub, box).sandbox.status.state == api.STATE_COMPLETED


def test_a_deletion_of_what_is_not_there(stub):
    code, info = refused(lambda: delete(stub, "none"))
    assert (code, info.reason) == (CODES.NOT_FOUND, "CWSANDBOX_SANDBOX_NOT_FOUND")
    assert delete(stub, "none", allow_missing=True) == api.DeleteSandboxResponse()


def test_pages_of_one(stub, tag):
    made = [create(stub, "sleep", "60", tags=[tag]).sandbox_id for _ in range(3)]
    found, token = [], ""
    while True:
        request = api.ListSandboxesRequest(page_size=1, page_token=token, tags=[tag])
        page = stub.ListSandboxes(request)
        found += [sandbox.sandbox_id for sandbox in page.sandboxes]
        token = page.next_page_token
        if token == "":
            break
    assert found == made
    for fields in [{"page_size": -1}, {"page_token": "what"}]:
        code, _ = refused(lambda: stub.ListSandboxes(api.ListSandboxesRequest(**fields)))
        assert code == CODES.INVALID_ARGUMENT
    assert purge(stub, tags=[tag], dry_run=True).purge_count == 3
    assert purge(stub, tags=[tag]).purge_count == 3
    eventually(lambda: not stub.ListSandboxes(api.ListSandboxesRequest(tags=[tag])).sandboxes)


def purge(stub, **fields):
    return stub.PurgeSandboxes(api.PurgeSandboxesRequest(**fields))


def test_a_purge_needs_one_choice(stub):
    for fields in [{}, {"tags": ["some"], "purge_all": True}]:
        assert refused(lambda: purge(stub, **fields))[0] == CODES.INVALID_ARGUMENT
    fields = {"tags": ["some"], "request_id": "id"}
    assert refused(lambda: purge(stub, **fields))[0] == CODES.UNIMPLEMENTED


def logs(stub, box, **fields):
    return list(stub.StreamLogs(api.StreamLogsRequest(sandbox_id=box, **fields)))


def test_logs_are_taken_up_again(stub):
    box = running(stub, *sh("seq 1000; sleep 1; seq 1001 2000"))
    call = stub.StreamLogs(api.StreamLogsRequest(sandbox_id=box, follow=True))
    first = next(call)
    call.cancel()
    assert first.log_session_id
    assert first.next_log_offset == len(first.data)
    cursor = {
        "resume_log_session_id": first.log_session_id,
        "resume_log_offset": first.next_log_offset,
    }
    rest = logs(stub, box, follow=True, **cursor)
    text = first.data + b"".join(entry.data for entry in rest)
    assert text == b"".join(b"%d\n" % n for n in range(1, 2001))
    assert rest[-1].next_log_offset == len(text)
    assert {entry.log_session_id for entry in rest} == {first.log_session_id}


def test_logs_that_cannot_be_taken_up(stub):
    box = running(stub, *sh("echo up; exec sleep 60"))
    eventually(lambda: logs(stub, box))
    session = logs(stub, box)[0].log_session_id
    for cursor, code in [
        ({"resume_log_session_id": "unknown"}, "SESSION_NOT_FOUND"),
        (
            {"resume_log_session_id": session, "resume_log_offset": 10**6},
            "INVALID_RESUME_OFFSET",
        ),
    ]:
        [entry] = logs(stub, box, follow=True, **cursor)
        assert entry.error.code == code
    for fields in [
        {"resume_log_session_id": session},
        {"resume_log_session_id": session, "follow": True, "tail_lines": 1},
        {"tail_lines": -1},
        {"container": "other"},
    ]:
        assert refused(lambda: logs(stub, box, **fields))[0] == CODES.INVALID_ARGUMENT
    delete(stub, box)


def test_a_timestamp_in_logs_is_that_of_the_entry(stub):
    box = running(stub, *sh("echo up; exec sleep 60"))
    eventually(lambda: logs(stub, box))
    [entry] = logs(stub, box, timestamps=True)
    stamp = datetime.datetime.fromisoformat(entry.data.decode().split(" ")[0])
    assert abs(stamp.timestamp() - entry.timestamp.ToDatetime(datetime.UTC).timestamp()) < 0.01
    delete(stub, box)


def test_a_file_that_is_too_large_for_a_call_tells_its_size(stub, box):
    size = 33_554_433
    execute(stub, box, *sh(f"head -c {size} /dev/zero > /tmp/big"))
    request = api.ReadFileRequest(sandbox_id=box, path="/tmp/big")
    code, info = refused(lambda: stub.ReadFile(request))
    assert (code, info.reason) == (CODES.FAILED_PRECONDITION, "CWSANDBOX_FILE_TOO_LARGE")
    assert info.metadata["size_bytes"] == str(size)
    assert info.metadata["max_size_bytes"] == "33554432"
    assert (info.metadata["filepath"], info.metadata["operation"]) == ("/tmp/big", "read_file")
    write = api.WriteFileRequest(sandbox_id=box, path="/tmp/big", content=bytes(size))
    assert refused(lambda: stub.WriteFile(write))[1].metadata["size_bytes"] == str(size)


@pytest.mark.parametrize("path", ["", "a\0b"])
def test_a_path_that_is_wrong(stub, box, path):
    code, _ = refused(lambda: stub.ReadFile(api.ReadFileRequest(sandbox_id=box, path=path)))
    assert code == CODES.INVALID_ARGUMENT


def test_a_call_that_the_host_does_not_know(stub, box):
    request = api.ConnectSandboxRequest(sandbox_id=box)
    assert refused(lambda: stub.ConnectSandbox(request))[0] == CODES.UNIMPLEMENTED
