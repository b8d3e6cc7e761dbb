"""Blocks of memory: what C writes, Python sees; what is given back, is handed out again, up to a limit."""

from __future__ import annotations

import ctypes
import resource
import threading

import pytest

from socketpool import MAX_BLOCKS_QUEUED, MemoryBlock, TgoMemoryPool


def test_python_and_c_see_the_same_memory() -> None:
    block = MemoryBlock(100)
    assert (block.size, len(block.data), len(block.view)) == (100, 100, 100)
    assert block.pointer.value == block.address
    ctypes.memmove(block.address + 10, b"from C", 6)
    assert bytes(block.view[10:16]) == bytes(block.data[10:16]) == b"from C"
    block.data[0:2] = b"py"
    assert ctypes.string_at(block.address, 2) == b"py"


def test_a_block_takes_no_memory_before_it_is_written_to() -> None:
    size = 64 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = MemoryBlock(size)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < size // resource.getpagesize() // 100
    block.data[size - 1] = 7
    assert ctypes.string_at(block.address + size - 1, 1) == b"\7"


def test_what_is_released_is_handed_out_again() -> None:
    pool = TgoMemoryPool(64)
    assert (pool.block_size, pool.count, pool.size) == (64, 0, 0)
    first, second = pool.request_mem("named"), pool.request_mem()
    assert first is not second
    assert first.address != second.address
    pool.release_mem(first, "named")
    pool.release_mem(second)
    assert (pool.count, pool.size) == (2, 128)
    # The one released last is still in the processor's cache.
    assert pool.request_mem() is second
    assert pool.request_mem() is first
    assert pool.count == 0


def test_no_more_than_the_limit_is_kept() -> None:
    pool = TgoMemoryPool(8, 3)
    for block in [pool.request_mem() for _ in range(5)]:
        pool.release_mem(block)
    assert (pool.count, pool.size) == (3, 24)
    default = TgoMemoryPool(1)
    for block in [default.request_mem() for _ in range(MAX_BLOCKS_QUEUED + 1)]:
        default.release_mem(block)
    assert default.count == MAX_BLOCKS_QUEUED == 1024


def test_closing_frees_what_waits() -> None:
    pool = TgoMemoryPool(8)
    kept, released = pool.request_mem(), pool.request_mem()
    pool.release_mem(released)
    pool.close()
    assert pool.count == 0
    kept.data[0] = 1
    assert pool.request_mem() is not released


def test_wrong_sizes_are_refused() -> None:
    for size in (0, -1):
        with pytest.raises(ValueError, match="positive"):
            TgoMemoryPool(size)
    with pytest.raises(ValueError, match="16 bytes does not belong to a pool of 8"):
        TgoMemoryPool(8).release_mem(MemoryBlock(16))


def test_no_block_is_handed_out_twice() -> None:
    pool = TgoMemoryPool(8, 4)
    spoilt = []

    def use(number: int) -> None:
        mark = bytes([number]) * 8
        for _ in range(2000):
            block = pool.request_mem()
            block.data[:] = mark
            if bytes(block.data) != mark:
                spoilt.append(number)
            pool.release_mem(block)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert spoilt == []
    assert 1 <= pool.count <= 8
