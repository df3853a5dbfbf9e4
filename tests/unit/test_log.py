"""The replicated log as Python sees it: one behaviour a test, on a real folder."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from nacos_core import _core
from nacos_core._core import Appended, Conflict, Log, LogCorrupt, LogError, LogLocked, unpack

SEGMENT_HEADER_BYTES = 512


@pytest.fixture(params=["memory", "disk"])
def log(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Log]:
    opened = Log.in_memory() if request.param == "memory" else Log.open(str(tmp_path))
    yield opened
    opened.close()


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("segment-*.log"))


def read_all(log: Log) -> list[tuple[int, int, bytes]]:
    entries: list[tuple[int, int, bytes]] = []
    first = log.first_index
    while first <= log.last_index:
        entries += log.slice(first, log.last_index, 1 << 20)
        first = entries[-1][0] + 1
    return entries


def test_new_log_is_empty(log: Log) -> None:
    assert (log.first_index, log.last_index, log.last_term, log.synced_index) == (1, 0, 0, 0)
    assert (log.term, log.vote, log.snapshot_index, log.snapshot_term) == (0, "", 0, 0)
    assert log.recovery_report is None
    assert log.load_snapshot() is None
    assert (log.term_at(0), log.term_at(1)) == (0, None)


def test_append_numbers_entries_and_keeps_payloads(log: Log) -> None:
    assert log.append(3, [b"a", b"", b"c" * 1000]) == 3
    assert log.append(4, (b"d",)) == 4
    assert log.slice(1, 4, 1 << 20) == [(1, 3, b"a"), (2, 3, b""), (3, 3, b"c" * 1000), (4, 4, b"d")]
    assert [log.term_at(index) for index in range(6)] == [0, 3, 3, 3, 4, None]


def test_slice_gives_at_least_one_entry_and_no_more_than_fits(log: Log) -> None:
    log.append(1, [b"x" * 100] * 5)
    assert len(log.slice(1, 5, 0)) == 1
    assert len(log.slice(1, 5, 299)) == 2
    assert len(log.slice(2, 5, 300)) == 3
    with pytest.raises(LogError, match=r"outside 1\.\.=5"):
        log.slice(1, 6, 100)


def test_try_append_keeps_what_matches_and_cuts_at_the_first_conflict(log: Log) -> None:
    log.append(1, [b"a", b"b", b"c"])
    assert log.try_append(1, 1, [(1, b"b")]) == Appended(2)
    assert log.last_index == 3, "an old message cuts nothing"
    assert log.try_append(1, 1, [(1, b"b"), (2, b"C"), (2, b"D")]) == Appended(4)
    assert read_all(log) == [(1, 1, b"a"), (2, 1, b"b"), (3, 2, b"C"), (4, 2, b"D")]


def test_try_append_names_the_conflicting_term_and_where_it_starts(log: Log) -> None:
    log.append(1, [b"a"])
    log.append(4, [b"b", b"c", b"d"])
    assert log.try_append(3, 5, [(5, b"x")]) == Conflict(4, 2, 4)
    assert log.try_append(9, 5, [(5, b"x")]) == Conflict(None, None, 4)
    assert log.last_index == 4


def test_committed_entries_are_never_replaced(log: Log) -> None:
    log.append(1, [b"a", b"b"])
    log.commit(2)
    with pytest.raises(LogError, match="entries up to 2 are committed"):
        log.try_append(0, 0, [(1, b"a"), (2, b"B")])
    assert read_all(log) == [(1, 1, b"a"), (2, 1, b"b")]
    assert log.committed_index == 2
    with pytest.raises(LogError):
        log.commit(3)


def test_refused_batches_leave_the_log_unchanged(log: Log) -> None:
    log.append(2, [b"a"])
    with pytest.raises(LogError, match="term 1 cannot follow term 2"):
        log.append(1, [b"b"])
    with pytest.raises(LogError, match="term 2 cannot follow term 3"):
        log.try_append(1, 2, [(3, b"b"), (2, b"c")])
    with pytest.raises(TypeError):
        log.append(2, [b"b", "text"])  # type: ignore[list-item]
    assert (log.last_index, log.last_term) == (1, 2)


def test_what_one_log_packs_another_appends(log: Log) -> None:
    entries = [(1, b"a"), (1, b""), (4, b"c" * 1000), (4, b"d")]
    leader = Log.in_memory()
    leader.try_append(0, 0, entries)
    last, packed = leader.pack(1, 4, 100)
    assert (last, unpack(packed)) == (2, entries[:2])
    assert log.try_append_packed(0, 0, packed) == Appended(2)
    last, packed = leader.pack(3, 4, 100)
    assert (last, unpack(packed)) == (3, entries[2:3]), "at least one"
    assert log.try_append_packed(2, 1, packed) == Appended(3)
    assert log.try_append_packed(2, 3, packed) == Conflict(1, 1, 3)
    assert log.try_append_packed(8, 1, packed) == Conflict(None, None, 3)
    assert read_all(log) == [(at, *entry) for at, entry in enumerate(entries[:3], 1)]
    assert leader.pack(5, 4, 100) == (4, b"\0\0\0\0")
    with pytest.raises(LogError, match=r"outside 1\.\.=4"):
        leader.pack(1, 5, 100)


@pytest.mark.parametrize("packed", [b"", b"\1\0\0\0", b"\1\0\0\0\1\5abcd", b"\0\0\0\0x", b"\xff" * 40])
def test_a_malformed_blob_is_refused_and_changes_nothing(log: Log, packed: bytes) -> None:
    with pytest.raises(ValueError, match=r"malformed at byte \d+"):
        log.try_append_packed(0, 0, packed)
    with pytest.raises(ValueError, match="malformed"):
        unpack(packed)
    assert (log.last_index, log.ticket) == (0, 0)


def test_the_ticket_is_that_of_the_newest_operation(log: Log) -> None:
    assert log.ticket == 0
    log.append(1, [b"a"])
    first = log.ticket
    assert log.set_hard_state(1, "me") == log.ticket
    log.try_append(0, 0, [(2, b"A")])
    assert 0 < first < log.ticket
    log.sync()
    assert log.poll().ticket == log.ticket


def test_entries_are_found_by_their_first_byte(log: Log) -> None:
    log.append(1, [b"m1", b"", b"x", b"m"])
    assert log.indexes_starting_with(ord("m"), 1, log.last_index) == [1, 4]
    assert log.indexes_starting_with(ord("m"), 2, 3) == []
    assert log.indexes_starting_with(0, 1, 4) == []
    with pytest.raises(OverflowError):
        log.indexes_starting_with(256, 1, 4)


def test_the_last_entry_of_a_term_is_known(log: Log) -> None:
    log.append(2, [b"a", b"b"])
    log.append(4, [b"c"])
    assert [log.last_index_of_term(term) for term in range(6)] == [0, None, 2, None, 3, None]


def test_the_commit_index_is_there_after_reopening(tmp_path: Path) -> None:
    log = Log.open(tmp_path)
    log.append(1, [b"a", b"b", b"c"])
    log.commit(1)
    log.sync()
    log.commit(2)
    log.close()
    log = Log.open(tmp_path)
    assert log.committed_index == 1, "it goes along with what is written anyway"
    log.commit(3)
    ticket = log.mark_commit()
    log.sync()
    assert log.poll().ticket == ticket == log.ticket
    log.close()
    log = Log.open(tmp_path)
    assert (log.committed_index, log.last_index) == (3, 3)
    with pytest.raises(LogError, match="entries up to 3 are committed"):
        log.try_append(2, 1, [(2, b"C")])
    log.close()


def test_hard_state_only_goes_forward_and_votes_once_a_term(log: Log) -> None:
    assert log.set_hard_state(2, "") < log.set_hard_state(2, "node-a")
    assert (log.term, log.vote) == (2, "node-a")
    with pytest.raises(LogError, match="node-a"):
        log.set_hard_state(2, "node-b")
    with pytest.raises(LogError, match="term 1 cannot follow term 2"):
        log.set_hard_state(1, "")
    with pytest.raises(LogError, match="vote"):
        log.set_hard_state(3, "x" * 256)


def test_descriptor_tells_of_a_sync_until_polled(log: Log) -> None:
    log.sync()
    log.fileno()
    log.poll()
    assert select.select([log], [], [], 0)[0] == []
    ticket = log.set_hard_state(1, "me")
    log.append(1, [b"a"])
    assert select.select([log], [], [], 5)[0] == [log]
    log.sync()
    assert log.poll().ticket > ticket
    assert log.poll().index == 1
    assert select.select([log], [], [], 0)[0] == []


async def test_trio_waits_for_the_descriptor(tmp_path: Path) -> None:
    log = Log.open(tmp_path)
    with trio.fail_after(20):
        for number in range(1, 20):
            ticket = log.set_hard_state(number, "me")
            index = log.append(number, [b"a"])
            while (synced := log.poll()).index < index:
                await trio.lowlevel.wait_readable(log)
            assert synced.ticket > ticket
    trio.lowlevel.notify_closing(log)
    log.close()


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    log = Log.open(tmp_path)
    log.append(1, [b"a"])
    log.save_snapshot(1, 1, b"state")
    log.close()
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}


def test_everything_is_there_after_reopening(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path), segment_bytes=4096)
    log.set_hard_state(5, "me")
    for number in range(200):
        log.append(5, [b"%d" % number * 50])
        if number % 10 == 0:
            log.sync()
    before = read_all(log)
    log.close()
    assert len(segments(tmp_path)) > 3
    log = Log.open(str(tmp_path), segment_bytes=4096)
    assert read_all(log) == before
    assert (log.term, log.vote, log.synced_index, log.recovery_report) == (5, "me", 200, None)
    log.close()


def test_a_cut_suffix_stays_cut_after_reopening(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path))
    log.append(1, [b"a", b"b", b"c"])
    log.sync()
    log.try_append(1, 1, [(2, b"B")])
    log.close()
    log = Log.open(str(tmp_path))
    assert read_all(log) == [(1, 1, b"a"), (2, 2, b"B")]
    log.close()


def test_entries_older_than_memory_are_read_from_their_segments(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path), segment_bytes=1 << 20, unsafe_no_sync=True)
    payloads = [bytes([number % 251]) * 4000 for number in range(2500)]
    for start in range(0, 2500, 100):
        log.append(1, payloads[start : start + 100])
        log.sync()
    assert [payload for _, _, payload in read_all(log)] == payloads
    log.close()


def test_compaction_drops_entries_and_their_segments(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path), segment_bytes=4096)
    for number in range(50):
        log.append(1, [b"%d" % number * 200])
        log.sync()
    count = len(segments(tmp_path))
    with pytest.raises(LogError, match="the last snapshot ends at 0"):
        log.compact(40)
    log.save_snapshot(45, 1, b"the state")
    log.compact(40)
    assert (log.first_index, log.term_at(40), log.term_at(39)) == (41, 1, None)
    log.append(1, [b"more"])
    log.sync()
    assert len(segments(tmp_path)) < count
    before = read_all(log)
    log.close()
    log = Log.open(str(tmp_path), segment_bytes=4096)
    assert read_all(log)[-len(before) :] == before
    assert log.load_snapshot() == (45, 1, b"the state")
    assert log.committed_index == 45
    log.close()


def test_a_snapshot_ahead_of_the_log_starts_it_over(log: Log) -> None:
    log.append(1, [b"a", b"b"])
    log.save_snapshot(10, 3, b"state")
    assert (log.first_index, log.last_index, log.last_term, log.term_at(10)) == (11, 10, 3, 3)
    assert log.append(3, [b"k"]) == 11
    with pytest.raises(LogError, match="go back"):
        log.save_snapshot(9, 3, b"older")


def test_a_snapshot_ahead_of_the_log_survives_a_stop_before_the_compaction(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path))
    log.append(1, [b"a", b"b"])
    log.save_snapshot(10, 3, b"state")
    log.close()
    log = Log.open(str(tmp_path))
    assert (log.first_index, log.last_index, log.last_term) == (11, 10, 3)
    log.append(3, [b"k"])
    log.close()
    log = Log.open(str(tmp_path))
    assert read_all(log) == [(11, 3, b"k")]
    log.close()


def test_a_torn_tail_is_cut_and_reported(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path))
    log.append(1, [b"kept"])
    log.close()
    [path] = segments(tmp_path)
    content = path.read_bytes()
    end = len(content.rstrip(b"\0"))
    path.write_bytes(content[:end].ljust(-(-end // 8) * 8, b"\0") + b"half a record that never got further")
    log = Log.open(str(tmp_path))
    assert read_all(log) == [(1, 1, b"kept")]
    assert log.recovery_report is not None
    assert path.name in log.recovery_report
    log.close()
    log = Log.open(str(tmp_path))
    assert log.recovery_report is None
    log.close()


@pytest.mark.parametrize("part", ["first entry", "last entry", "segment header"])
def test_a_flipped_bit_in_what_was_synced_is_refused(tmp_path: Path, part: str) -> None:
    log = Log.open(str(tmp_path))
    log.append(1, [b"first entry"])
    log.sync()
    log.append(1, [b"last entry"])
    log.close()
    [path] = segments(tmp_path)
    content = bytearray(path.read_bytes())
    offset = 30 if part == "segment header" else content.index(part.encode())
    content[offset] ^= 4
    path.write_bytes(content)
    with pytest.raises(LogCorrupt, match=rf"{path.name} is damaged at offset \d+"):
        Log.open(str(tmp_path))
    assert bytearray(path.read_bytes()) == content, "a refusal changes nothing"


def test_a_missing_segment_is_refused(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path), segment_bytes=4096)
    for number in range(50):
        log.append(1, [b"%d" % number * 200])
        log.sync()
    log.close()
    segments(tmp_path)[1].unlink()
    with pytest.raises(LogCorrupt, match="missing"):
        Log.open(str(tmp_path))


def test_a_damaged_snapshot_is_refused(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path))
    log.append(1, [b"a"])
    log.save_snapshot(1, 1, b"the whole state")
    [path] = tmp_path.glob("snapshot-*.data")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(LogCorrupt, match=path.name):
        log.load_snapshot()
    log.close()


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    log = Log.open(str(tmp_path))
    with pytest.raises(LogLocked, match=f"process {os.getpid()}"):
        Log.open(str(tmp_path))
    code = "import sys; from nacos_core._core import Log; Log.open(sys.argv[1])"
    command = [sys.executable, "-c", code, str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert f"LogLocked: {tmp_path}" in refused.stderr
    log.close()
    subprocess.run(command, check=True, timeout=60)


def test_a_full_disk_fails_the_log_for_good(tmp_path: Path) -> None:
    code = """
import resource, sys
from nacos_core._core import Log, LogFailed
log = Log.open(sys.argv[1])
log.append(1, [b"kept"])
log.sync()
resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
log.append(1, [b"x" * 1_000_000])
for attempt in (log.sync, log.poll, lambda: log.append(1, [b"y"]), lambda: log.slice(1, 1, 9), log.close):
    try:
        attempt()
    except LogFailed as error:
        assert "segment-" in str(error), error
    else:
        sys.exit("not refused")
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, timeout=60)
    log = Log.open(str(tmp_path))
    assert log.slice(1, 1, 9) == [(1, 1, b"kept")]
    log.close()


def test_a_closed_log_refuses(log: Log) -> None:
    log.close()
    log.close()
    with pytest.raises(LogError, match="closed"):
        log.append(1, [b"a"])
    with pytest.raises(LogError, match="closed"):
        log.poll()


def test_errors_are_one_family() -> None:
    for error in (_core.LogCorrupt, _core.LogLocked, _core.LogFailed):
        assert issubclass(error, LogError)
