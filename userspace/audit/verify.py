#!/usr/bin/env python3
"""The second verifier of the record, written from docs/AUDIT-FORMAT.md alone, with nothing but Python's standard library.

    verify.py [--open] FILE.seg...      (in any order; the names say theirs)

Prints one line and exits 0 whole, 1 tampered, 4 only a torn tail, 5 cannot tell, as `interceptor audit verify` does.
"""
import hashlib
import os
import re
import struct
import sys

HEADER, FRAME, PAYLOAD_MAX, SECTOR = 4096, 44, 2 << 20, 512
ROOT, STOP, SEAL = 240, 241, 242
TREE_SIZE, TREE_ROOT, HEADER_HASH = 64, 65, 66


def crc32c_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = crc32c_table()


def crc32c(*parts):
    crc = 0xFFFFFFFF
    for part in parts:
        for byte in part:
            crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def sha(prefix, *parts):
    return hashlib.sha256(bytes([prefix]) + b"".join(parts)).digest()


class Tree:
    """RFC 6962 section 2.1, kept as the roots of its perfect subtrees, each with its size, largest first."""

    def __init__(self, size=0, frontier=()):
        sizes = [1 << bit for bit in range(63, -1, -1) if size >> bit & 1]
        self.subtrees = list(zip(sizes, frontier))

    def add(self, leaf):
        self.subtrees.append((1, leaf))
        while len(self.subtrees) > 1 and self.subtrees[-1][0] == self.subtrees[-2][0]:
            (size, right), (_, left) = self.subtrees.pop(), self.subtrees.pop()
            self.subtrees.append((size * 2, sha(1, left, right)))

    def size(self):
        return sum(size for size, _ in self.subtrees)

    def root(self):
        if not self.subtrees:
            return hashlib.sha256(b"").digest()
        root = self.subtrees[-1][1]
        for _, left in reversed(self.subtrees[:-1]):
            root = sha(1, left, root)
        return root


class Answer(Exception):
    def __init__(self, status, file, offset, seq, why):
        word = {1: "tampered", 4: "torn tail", 5: "cannot tell"}[status]
        super().__init__(f"{word}: {file}: byte {offset}, record {seq}: {why}")
        self.status = status


class Header:
    def __init__(self, name, data):
        if len(data) < HEADER or data[:8] != b"ICPTREC\x01":
            raise Answer(1, name, 0, 0, "no header")
        (crc,) = struct.unpack_from("<I", data, HEADER - 4)
        if crc != crc32c(data[: HEADER - 4]):
            raise Answer(1, name, 0, 0, "the header's checksum")
        (version, self.shard, self.shards, zero) = struct.unpack_from("<HHHH", data, 8)
        if version != 2:
            raise Answer(5, name, 0, 0, f"version {version}")
        (self.number, self.first_seq, self.size, self.previous_used) = struct.unpack_from("<QQQQ", data, 16)
        count = bin(self.first_seq - 1).count("1") if self.first_seq else 0
        self.frontier = [data[at : at + 32] for at in range(192, 192 + 32 * count, 32)]
        reserved = zero or any(data[144:176]) or any(data[192 + 32 * count : HEADER - 4])
        first = self.number == 1
        ranges = self.number and self.first_seq and 16 << 10 <= self.size <= 1 << 30
        starts = (self.previous_used == 0, self.first_seq == 1)
        if reserved or not ranges or starts != (first, first):
            raise Answer(1, name, 0, self.first_seq, "the header's numbers")
        before = bytes(32) if first else self.tree().root()
        if data[48:80] != before:
            raise Answer(1, name, 0, self.first_seq, "the header's root")
        self.hash = sha(3, data[:HEADER])

    def tree(self):
        """The tree of the records before this segment, as its header tells of it."""
        return Tree(self.first_seq - 1, self.frontier)


def frame(data, at):
    """The frame's record (header and payload), or None for the end, or a text for what is wrong."""
    if at + 4 > len(data):
        return None
    (length,) = struct.unpack_from("<I", data, at)
    if length == 0:
        return None
    if not FRAME <= length <= FRAME + PAYLOAD_MAX:
        return "its length"
    record = data[at : at + length]
    padded = -(-length // 8) * 8
    if len(record) < length or at + padded > len(data):
        return "its length runs over the end"
    (kind, flags, version, seq) = struct.unpack_from("<BBHQ", record, 4)
    if struct.unpack_from("<I", record, 40)[0] != crc32c(record[:40], record[FRAME:]):
        return "its checksum"
    if any(data[at + length : at + padded]) or flags or version != 1 or seq == 0:
        return "its padding, flags, version or number"
    return record


def fields(payload):
    found, at = {}, 0
    while at < len(payload):
        number, length, shift = payload[at], 0, 0
        at += 1
        while True:
            if at >= len(payload):
                return None
            length |= (payload[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not payload[at - 1] & 0x80:
                break
        if at + length > len(payload):
            return None
        found[number] = payload[at : at + length]
        at += length
    return found


def closes(record, tree, header):
    """Whether a closing record tells of the records before it and of its segment's header."""
    said = fields(record[FRAME:])
    if said is None or any(key not in said for key in (TREE_SIZE, TREE_ROOT, HEADER_HASH)):
        return False
    size = int.from_bytes(said[TREE_SIZE], "little")
    return (size, said[TREE_ROOT], said[HEADER_HASH]) == (tree.size(), tree.root(), header.hash)


class Segment:
    """One file, read to the end of its whole records."""

    def __init__(self, name, data):
        self.name, self.header = name, Header(name, data)
        self.end, self.seq, self.last = HEADER, self.header.first_seq, None
        self.records = 0
        self.tree = self.header.tree()
        why = "it is unfinished"
        while True:
            record = frame(data, self.end)
            if record is None:
                break
            if isinstance(record, str):
                why = record
                break
            (kind, seq) = record[4], struct.unpack_from("<Q", record, 8)[0]
            if seq != self.seq or self.last == SEAL:
                why = "its number is out of order"
                break
            if kind in (ROOT, STOP, SEAL) and not closes(record, self.tree, self.header):
                raise Answer(1, name, self.end, seq, "the root does not fit the records before it")
            self.tree.add(sha(0, record))
            self.last = kind
            self.end += -(-len(record) // 8) * 8
            self.seq += 1
            self.records += 1
        if len(data) != self.header.size:
            raise Answer(1, name, self.end, self.seq, "the file's length")
        self.torn = self.tail(data, why)

    def tail(self, data, why):
        """Whether an unfinished record follows; anything else that is not zeros was done to the file."""
        used = len(data.rstrip(b"\0"))
        if used <= self.end:
            return False
        for at in range(self.end, used, 8):
            record = frame(data, at)
            if isinstance(record, bytes):
                raise Answer(1, self.name, self.end, self.seq, f"{why}, and whole records follow")
        if self.last == SEAL:
            raise Answer(1, self.name, self.end, self.seq, "bytes follow the seal")
        if used - self.end > FRAME + PAYLOAD_MAX:
            raise Answer(1, self.name, self.end, self.seq, "bytes where nothing was written")
        (length,) = struct.unpack_from("<I", data, self.end)
        end = min(self.end + length, len(data))
        starts = [self.end] + list(range((self.end // SECTOR + 1) * SECTOR, end, SECTOR))
        pieces = [data[a:b] for a, b in zip(starts, starts[1:] + [end])]
        if length and all(any(piece) for piece in pieces):
            raise Answer(1, self.name, self.end, self.seq, why)
        return True


def verify(files, running):
    """files: (name, bytes) in the order of names. The number of records, or an Answer."""
    last, torn, records, shards, seen = None, None, 0, 0, set()

    def series_ends(segment):
        nonlocal torn
        if segment.last != STOP and not running:
            torn = torn or Answer(4, segment.name, segment.end, segment.seq, "no orderly stop")

    blank = None
    for name, data in files:
        named = re.fullmatch(r"(\d{5})-(\d{10})\.seg", os.path.basename(name))
        named = named and (int(named[1]), int(named[2]))
        if len(data) >= HEADER and not any(data):
            if not named:
                raise Answer(5, name, 0, 0, "the header was never written")
            if last is None or named[0] != last.header.shard or named[1] <= last.header.number:
                raise Answer(1, name, 0, 0, "the header was never written")
            blank = named[0]
            continue
        segment = Segment(name, data)
        header = segment.header
        if named and named != (header.shard, header.number):
            raise Answer(1, name, 0, header.first_seq, "the file's name is another segment's")
        if last is not None and last.header.shard == header.shard:
            if header.number != last.header.number + 1 or blank == header.shard:
                raise Answer(1, name, 0, header.first_seq, f"segment {last.header.number + 1} should stand here")
            if last.last != SEAL:
                raise Answer(1, last.name, last.end, last.seq, "it was not sealed, and another segment follows")
            told, true = header.tree().subtrees, last.tree.subtrees
            if (header.first_seq, header.previous_used, told) != (last.seq, last.end, true):
                raise Answer(1, name, 0, header.first_seq, "it does not continue the segment before it")
        else:
            if last is not None:
                series_ends(last)
            if header.number != 1 or header.shard in seen or (last is not None and header.shard < last.header.shard):
                raise Answer(1, name, 0, header.first_seq, "a segment before it is missing")
        if segment.torn:
            torn = torn or Answer(4, name, segment.end, segment.seq, "an unfinished record")
        last = segment
        seen.add(header.shard)
        records += segment.records
        shards = max(shards, header.shards)
    if last is None:
        raise Answer(5, "-", 0, 0, "there is no segment")
    series_ends(last)
    missing = set(range(shards)) - seen
    if missing:
        raise Answer(1, "-", 0, 1, f"shard {min(missing)} is missing")
    if torn:
        raise torn
    return records


def main(arguments):
    running = "--open" in arguments
    # By name alone: the series may lie in several folders.
    names = sorted((a for a in arguments if a != "--open"), key=lambda name: os.path.basename(name))
    try:
        files = []
        for name in names:
            try:
                with open(name, "rb") as file:
                    files.append((name, file.read()))
            except OSError as error:
                raise Answer(5, name, 0, 0, error.strerror)
        print(f"whole: {verify(files, running)} records")
        return 0
    except Answer as answer:
        print(answer)
        return answer.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
