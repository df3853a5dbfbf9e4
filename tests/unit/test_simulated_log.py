"""The log on a simulated disk, synced by hand: what a simulation of a cluster stands on."""

import pytest

from nacos_core._core import Log, LogCorrupt, LogError, LogFailed, LogLocked, SimulatedDisk

SECTOR_BYTES = 512


def opened(disk: SimulatedDisk, segment_bytes: int | None = None) -> Log:
    return Log.open_simulated(disk, segment_bytes=segment_bytes, salt=7)


def sync(log: Log) -> None:
    assert log.begin_sync()
    log.complete_sync()


def payloads(log: Log) -> list[bytes]:
    found: list[bytes] = []
    while log.first_index + len(found) <= log.last_index:
        found += [payload for _, _, payload in log.slice(log.first_index + len(found), log.last_index, 1 << 20)]
    return found


def test_a_group_is_durable_when_its_sync_is_complete() -> None:
    log = opened(SimulatedDisk(1))
    assert not log.has_work
    assert not log.begin_sync()
    log.append(1, [b"a"])
    ticket = log.set_hard_state(1, "me")
    assert log.has_work
    assert log.begin_sync()
    log.append(1, [b"b"])
    assert not log.has_work, "one group at a time"
    assert not log.begin_sync()
    assert log.poll().index == 0
    log.complete_sync()
    assert (log.poll().index, log.poll().ticket) == (1, ticket)
    assert log.has_work
    sync(log)
    assert (log.poll().index, log.poll().ticket) == (2, log.ticket)
    log.complete_sync()
    assert not log.has_work


def test_only_a_simulated_log_is_synced_by_hand() -> None:
    log = Log.in_memory()
    with pytest.raises(LogError, match="only a simulated log"):
        log.begin_sync()
    with pytest.raises(LogError, match="only a simulated log"):
        log.complete_sync()
    with pytest.raises(LogError, match="no descriptor"):
        opened(SimulatedDisk(1)).fileno()


def test_sync_and_close_write_at_once() -> None:
    disk = SimulatedDisk(1)
    log = opened(disk)
    log.append(1, [b"a"])
    assert log.begin_sync()
    log.append(1, [b"b"])
    log.sync()
    assert (log.poll().index, log.has_work) == (2, False)
    log.append(1, [b"c"])
    log.commit(2)
    log.close()
    disk.cut_power()
    log = opened(disk)
    assert (payloads(log), log.committed_index, log.recovery_report) == ([b"a", b"b", b"c"], 2, None)


@pytest.mark.parametrize("seed", range(40))
def test_a_power_cut_leaves_what_was_synced_and_nothing_that_was_not_written(seed: int) -> None:
    disk = SimulatedDisk(seed)
    log = opened(disk, segment_bytes=4096)
    kept = [b"%d" % number * 100 for number in range(30)]
    for payload in kept:
        log.append(3, [payload])
        sync(log)
    log.append(3, [b"not written"])
    disk.cut_power()
    recovered = opened(disk, segment_bytes=4096)
    assert payloads(recovered) == kept
    assert recovered.recovery_report is None


def test_a_group_whose_sync_was_cut_short_is_there_or_cut_and_reported() -> None:
    found = set()
    for seed in range(40):
        disk = SimulatedDisk(seed)
        log = opened(disk)
        log.append(1, [b"a" * 700])
        sync(log)
        log.append(1, [b"b" * 700])
        assert log.begin_sync()
        disk.set_faults(stop_at_operation=1)
        with pytest.raises(LogFailed):
            log.complete_sync()
        disk.cut_power()
        log = opened(disk)
        found.add((log.last_index, log.recovery_report is None))
    assert {(1, False), (2, True)} <= found


def test_a_failed_sync_fails_the_log_for_good_and_its_pages_are_lost() -> None:
    disk = SimulatedDisk(5)
    log = opened(disk)
    log.append(1, [b"a"])
    sync(log)
    disk.set_faults(fail_sync=1)
    log.append(1, [b"b" * 2000])
    assert log.begin_sync()
    with pytest.raises(LogFailed, match="the disk has failed to write"):
        log.complete_sync()
    operations = disk.operations
    for attempt in (log.begin_sync, log.poll, log.sync, lambda: log.append(1, [b"c"]), log.close):
        with pytest.raises(LogFailed):
            attempt()
    assert disk.operations == operations
    disk.cut_power()
    assert payloads(opened(disk)) == [b"a"]


def test_a_full_disk_fails_the_log() -> None:
    disk = SimulatedDisk(1)
    log = opened(disk)
    log.append(1, [b"a"])
    sync(log)
    disk.set_faults(capacity_bytes=sum(length for _, length in disk.files()))
    log.append(1, [b"b" * 10_000])
    assert log.begin_sync()
    with pytest.raises(LogFailed):
        log.complete_sync()


@pytest.mark.parametrize("crash", [SimulatedDisk.cut_power, SimulatedDisk.kill_process])
def test_the_log_of_a_crashed_process_touches_the_disk_no_more(crash: object) -> None:
    assert callable(crash)
    disk = SimulatedDisk(1)
    crashed = opened(disk, segment_bytes=4096)
    crashed.append(1, [b"a" * 3000])
    sync(crashed)
    crashed.append(1, [b"b"])
    crash(disk)
    log = opened(disk, segment_bytes=4096)
    files, operations = disk.files(), disk.operations
    assert crashed.begin_sync()
    with pytest.raises(LogFailed, match="process that used the disk is gone"):
        crashed.complete_sync()
    with pytest.raises(LogError):
        crashed.save_snapshot(1, 1, b"state")
    with pytest.raises(LogFailed):
        crashed.close()
    del crashed
    assert (disk.files(), disk.operations) == (files, operations)
    log.append(1, [b"c"])
    sync(log)
    assert payloads(log) == [b"a" * 3000, b"c"]
    with pytest.raises(LogLocked):
        opened(disk)


def test_a_log_that_is_dropped_writes_nothing() -> None:
    disk = SimulatedDisk(1)
    log = opened(disk)
    log.append(1, [b"a"])
    assert log.begin_sync()
    operations = disk.operations
    del log
    assert disk.operations == operations
    assert opened(disk).last_index == 0, "and the next may have the disk"


def test_snapshots_and_compaction_work_at_once() -> None:
    disk = SimulatedDisk(2)
    log = opened(disk, segment_bytes=2048)
    for number in range(20):
        log.append(1, [b"%d" % number * 400])
        sync(log)
        log.commit(log.last_index)
    assert len(disk.files()) > 5
    log.save_snapshot(18, 1, b"the state")
    log.compact(18)
    assert log.has_work, "segments are removed with the next group"
    sync(log)
    assert len(disk.files()) < 4
    disk.cut_power()
    log = opened(disk, segment_bytes=2048)
    assert log.load_snapshot() == (18, 1, b"the state")
    assert (log.last_index, log.committed_index) == (20, 19)
    log.save_snapshot(40, 5, b"from a leader")
    assert (log.first_index, log.last_index) == (41, 40)


def test_a_flipped_bit_is_refused() -> None:
    disk = SimulatedDisk(3)
    log = opened(disk)
    log.append(1, [b"a" * 100])
    sync(log)
    [(name, length)] = disk.files()
    assert length > SECTOR_BYTES
    disk.kill_process()
    disk.flip_bit(name, SECTOR_BYTES + 50, 3)
    with pytest.raises(LogCorrupt, match=rf"{name} is damaged at offset {SECTOR_BYTES}"):
        opened(disk)
    disk.kill_process()
    disk.flip_bit(name, SECTOR_BYTES + 50, 3)
    assert opened(disk).last_index == 1
    with pytest.raises(ValueError, match="no file"):
        disk.flip_bit("other", 0, 0)
    with pytest.raises(IndexError):
        disk.flip_bit(name, length, 0)


def test_one_seed_gives_one_disk() -> None:
    def outcome(seed: int) -> list[object]:
        disk = SimulatedDisk(seed)
        found: list[object] = []
        for _ in range(5):
            log = opened(disk, segment_bytes=3000)
            found.append((log.last_index, log.recovery_report))
            for number in range(4):
                log.append(1, [bytes([number]) * 900])
                sync(log)
            disk.set_faults(stop_at_operation=1)
            log.append(1, [b"x" * 5000])
            assert log.begin_sync()
            with pytest.raises(LogFailed):
                log.complete_sync()
            disk.cut_power()
        return [*found, disk.files()]

    assert outcome(1) == outcome(1)
    assert len({str(outcome(seed)) for seed in range(5)}) > 1
