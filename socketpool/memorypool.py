"""A pool of equal blocks of memory that C can write into.

Delphi: Grijjy.MemoryPool
"""

from __future__ import annotations

import ctypes
from collections import deque

#: How many free blocks a pool keeps, where nothing else is said.
#: Delphi: Grijjy.MemoryPool.MAX_BLOCKS_QUEUED
MAX_BLOCKS_QUEUED = 1024


def _uninitialised(size: int) -> bytearray:
    """Return memory as it comes from malloc: pages that are never touched cost nothing.

    ``bytearray(size)`` writes zeros into all of it, which takes 0.6 ms for a block of 1 MiB.
    """
    try:
        # By item, because pythonapi keeps one object for all who ask for the attribute.
        make = ctypes.pythonapi["PyByteArray_FromStringAndSize"]
    except AttributeError:  # this isn't CPython
        return bytearray(size)
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_char_p, ctypes.c_ssize_t]
    made: bytearray = make(None, size)
    return made


class MemoryBlock:
    """A block of memory as Python and as C see it. What is in it at first isn't defined.

    :ivar data: the memory as a ``bytearray``; it must not be resized.
    :ivar view: the same as a ``memoryview``; a slice of it copies nothing.
    :ivar address: where it lies.
    :ivar pointer: the address as a ready argument for a C call.
    :ivar size: its length in bytes.
    """

    __slots__ = ("address", "data", "pointer", "size", "view")

    def __init__(self, size: int) -> None:
        self.data = _uninitialised(size)
        self.view = memoryview(self.data)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.data))
        self.pointer = ctypes.c_void_p(self.address)
        self.size = size


class TgoMemoryPool:
    """Hands out blocks of one size and takes them back for the next who asks.

    All methods may be called from any thread.

    :param block_size: bytes per block.
    :param max_blocks_queued: how many free blocks to keep; what is released beyond that is freed.

    :ivar free: the blocks that wait here. Who reads thousands of times a second may pop and append by himself, which
        costs half as much as the methods.

    Delphi: Grijjy.MemoryPool.TgoMemoryPool
    """

    __slots__ = ("_block_size", "free")

    def __init__(self, block_size: int, max_blocks_queued: int = MAX_BLOCKS_QUEUED) -> None:
        if block_size <= 0:
            raise ValueError(f"block_size must be positive, not {block_size}")
        self._block_size = block_size
        # append and pop of a deque are atomic, with and without the GIL. The block released last is handed out
        # first: the processor still has it in its cache. What is too much falls out at the other end.
        self.free: deque[MemoryBlock] = deque(maxlen=max_blocks_queued)

    def close(self) -> None:
        """Free the blocks that wait here; those handed out stay valid.

        Delphi: Grijjy.MemoryPool.TgoMemoryPool.Destroy
        """
        self.free.clear()

    def request_mem(self, name: str = "") -> MemoryBlock:
        """Return a block, a used one if there is one: its content is undefined.

        :param name: what it is for; ignored, as in the original.

        Differs from Delphi: the result knows its address and size instead of being a bare pointer.
        Delphi: Grijjy.MemoryPool.TgoMemoryPool.RequestMem
        """
        try:
            return self.free.pop()
        except IndexError:
            return MemoryBlock(self._block_size)

    def release_mem(self, block: MemoryBlock, name: str = "") -> None:
        """Take a block back. The caller must not use it, or views of it, any more.

        :raises ValueError: the block is not of this pool's size.

        Delphi: Grijjy.MemoryPool.TgoMemoryPool.ReleaseMem
        """
        if block.size != self._block_size:
            raise ValueError(f"a block of {block.size} bytes does not belong to a pool of {self._block_size}")
        self.free.append(block)

    @property
    def block_size(self) -> int:
        """Bytes per block. Delphi: Grijjy.MemoryPool.TgoMemoryPool.BlockSize"""
        return self._block_size

    @property
    def count(self) -> int:
        """How many free blocks wait here. Delphi: Grijjy.MemoryPool.TgoMemoryPool.Count"""
        return len(self.free)

    @property
    def size(self) -> int:
        """How many bytes wait here. Delphi: Grijjy.MemoryPool.TgoMemoryPool.Size"""
        return len(self.free) * self._block_size
