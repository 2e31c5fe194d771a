"""Scratch volumes, and snapshots of them: taken, found, restored, and left behind by a sandbox that stops."""

import pytest
from cwsandbox import (
    FileSystemSnapshotOptions,
    FileSystemSnapshotStatus,
    Sandbox,
    SandboxError,
    SandboxSnapshotError,
    ScratchVolumeOptions,
    SnapshotNotFoundError,
    SnapshotOnStopConflictError,
)

from conftest import isolation, sh

pytestmark = pytest.mark.skipif(
    isolation() == "none", reason="volumes at absolute paths need bubblewrap"
)


@pytest.fixture
def opened(session):
    """Makes sandboxes with a workspace, empty or as a snapshot has it."""

    def open_workspace(snapshot_id=None, **options):
        workspace = FileSystemSnapshotOptions(
            mount_path="/workspace", file_system_snapshot_id=snapshot_id, **options
        )
        sandbox = session.sandbox(file_system_snapshot=workspace)
        sandbox.wait(30)
        return sandbox

    return open_workspace


def text_of(sandbox, path):
    return sandbox.exec(["cat", path], check=True).result(30).stdout


def test_a_snapshot_is_taken_and_restored(opened):
    first = opened(size="64Mi")
    first.exec(sh("mkdir /workspace/dir && echo hi > /workspace/dir/note"), check=True).result(30)
    snapshot_id = first.snapshot().result(60)
    first.exec(sh("echo later > /workspace/dir/note"), check=True).result(30)
    assert text_of(opened(snapshot_id), "/workspace/dir/note") == "hi\n"


def test_what_is_known_of_a_snapshot(opened):
    sandbox = opened()
    snapshot_id = sandbox.snapshot(request_id="of this test").result(60)
    snapshot = Sandbox.get_snapshot(snapshot_id).result(30)
    assert snapshot.status == FileSystemSnapshotStatus.READY
    assert snapshot.source_sandbox_id == sandbox.sandbox_id
    assert snapshot.source_volume_name == "workspace"
    assert snapshot.request_id == "of this test"
    assert snapshot.size_bytes > 0
    assert snapshot.created_at <= snapshot.completed_at
    # The same request takes no second one.
    assert sandbox.snapshot(request_id="of this test").result(60) == snapshot_id
    listed = Sandbox.list_snapshots(source_sandbox_id=sandbox.sandbox_id).result(30)
    assert [one.file_system_snapshot_id for one in listed] == [snapshot_id]


def test_a_snapshot_that_nobody_waits_for(opened):
    snapshot_id = opened().snapshot(wait_for_ready=False).result(30)
    status = Sandbox.get_snapshot(snapshot_id).result(30).status
    assert status in (FileSystemSnapshotStatus.CREATING, FileSystemSnapshotStatus.READY)


def test_a_snapshot_is_deleted(opened):
    snapshot_id = opened().snapshot().result(60)
    restored = opened(snapshot_id)
    Sandbox.delete_snapshot(snapshot_id).result(30)
    with pytest.raises(SnapshotNotFoundError) as caught:
        Sandbox.get_snapshot(snapshot_id).result(30)
    assert caught.value.reason == "CWSANDBOX_FSS_NOT_FOUND"
    with pytest.raises(SnapshotNotFoundError):
        Sandbox.delete_snapshot(snapshot_id).result(30)
    Sandbox.delete_snapshot(snapshot_id, missing_ok=True).result(30)
    assert restored.exec(["ls", "/workspace"]).result(30).returncode == 0


def test_a_snapshot_that_is_not_there_is_not_restored(session):
    options = FileSystemSnapshotOptions(mount_path="/workspace", file_system_snapshot_id="absent")
    with pytest.raises(SnapshotNotFoundError):
        session.sandbox(file_system_snapshot=options).start().result(30)


def test_a_sandbox_leaves_a_snapshot_when_it_stops(opened):
    sandbox = opened()
    sandbox.exec(sh("echo left > /workspace/note"), check=True).result(30)
    sandbox.stop(snapshot_on_stop=True).result(60)
    snapshot_id = sandbox.file_system_snapshot_id
    snapshot = Sandbox.get_snapshot(snapshot_id).result(30)
    assert snapshot.status == FileSystemSnapshotStatus.READY
    assert snapshot.trigger.value == "on_delete"
    assert text_of(opened(snapshot_id), "/workspace/note") == "left\n"


def test_a_sandbox_that_has_stopped_leaves_none(opened):
    sandbox = opened()
    sandbox.stop().result(30)
    with pytest.raises(SnapshotOnStopConflictError):
        sandbox.stop(snapshot_on_stop=True).result(30)


def test_several_volumes(session):
    volumes = [
        ScratchVolumeOptions(name="one", mount_path="/one"),
        ScratchVolumeOptions(name="two", mount_path="/two", size="16Mi"),
    ]
    sandbox = session.sandbox(volumes=volumes)
    sandbox.wait(30)
    assert sandbox.exec(["touch", "/one/file", "/two/file"]).result(30).returncode == 0
    with pytest.raises(SandboxSnapshotError):
        sandbox.snapshot().result(30)


def test_a_sandbox_without_a_volume(sandbox):
    with pytest.raises(SandboxError) as caught:
        sandbox.snapshot().result(30)
    assert caught.value.reason == "CWSANDBOX_INVALID_REQUEST"
