#!/usr/bin/env python3
"""The second verifier of the record, written from docs/AUDIT-FORMAT.md alone, with nothing but Python's standard library.

    verify.py [--open] [--key KEY [--checkpoint FILE [--kept FILE]... [--witness KEY --witnessed FILE]]] FILE.seg...

Files in any order: the names say theirs. KEY is the first root key of the log, and the public key of a witness.

Prints one line and exits 0 whole, 1 tampered, 4 only a torn tail, 5 cannot tell, as `interceptor audit verify` does.
"""
import base64
import hashlib
import os
import re
import struct
import sys

HEADER, FRAME, PAYLOAD_MAX, SECTOR = 4096, 44, 2 << 20, 512
ROOT, STOP, SEAL, CHECKPOINT, TOMBSTONE, RUN_KEY, ROOT_KEY, OUTCOME, RESULT = 240, 241, 242, 24, 27, 32, 33, 5, 12
NODE, SERVICE = 65534, 65535
TREE_SIZE, TREE_ROOT, HEADER_HASH, DURABLE_SEQ, HEADS, NEXT_WITHIN_S = 64, 65, 66, 69, 71, 90
REMOVED, FIRST, SEGMENT, SHA256, UNTIL, SIGNATURE = 120, 121, 122, 123, 124, 125
LOG, KEY, BOOT, ISSUED, UP_TO, KEY_SIGNATURE, KEY_CONSENT = 140, 141, 142, 143, 144, 145, 146
DECISION, RESULT_FOLLOWS = 27, 147


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


# Ed25519, RFC 8032 sections 5.1.3, 5.1.4, 5.1.7: slow and plain, for one signature or two.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def point_add(a, b):
    (ax, ay, az, at), (bx, by, bz, bt) = a, b
    e, f = (ay - ax) * (by - bx) % P, (ay + ax) * (by + bx) % P
    g, h = 2 * at * bt * D % P, 2 * az * bz % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def point_times(n, a):
    total = (0, 1, 1, 0)
    while n:
        if n & 1:
            total = point_add(total, a)
        a, n = point_add(a, a), n >> 1
    return total


def point_read(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point_read((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_signed(key, message, signature):
    a, r, s = point_read(key), point_read(signature[:32]), int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = point_times(s, BASE), point_add(r, point_times(h, a))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


def key_of(name, kind, public):
    """Name, key id and key; kind 1 signs a log, kind 4 cosigns others'."""
    return name, hashlib.sha256(name.encode() + bytes([10, kind]) + public).digest()[:4], public


def public_key(text, kind=1):
    """The same of NAME+ID+KEY."""
    name, key_id, data = text.strip().split("+", 2)
    data = base64.b64decode(data, validate=True)
    key = key_of(name, kind, data[1:])
    if len(data) != 33 or data[0] != kind or key[1].hex() != key_id:
        raise ValueError("no public key")
    return key


def note(name, text):
    """Body, origin, size, root and signatures of a signed checkpoint, of which none is checked."""
    try:
        body, lines = text.split("\n\n", 1)
        origin, size, root = body.split("\n")
        root = base64.b64decode(root, validate=True)
        fits = str(int(size)) == size and len(root) == 32 and lines.endswith("\n")
        signatures = [line.split(" ") for line in lines.splitlines()]
        signatures = [(dash, by, base64.b64decode(data, validate=True)) for dash, by, data in signatures]
        fits = fits and all(dash == "\u2014" and len(data) >= 4 for dash, _, data in signatures)
    except ValueError:
        fits = False
    if not fits:
        raise Answer(1, name, 0, 0, "no signed checkpoint")
    return (body + "\n").encode(), origin, int(size), root, [(by, data[:4], data[4:]) for _, by, data in signatures]


def checkpoint(name, text, keys):
    """Size and root of a checkpoint that the key in force at its size has signed."""
    body, origin, size, root, signatures = note(name, text)
    if size < keys.begins and origin == keys.name:
        return size, root  # of what was removed: it says nothing any more
    own, key_id, public = keys.at(size)
    found = [signature for by, of, signature in signatures if (by, of) == (own, key_id)]
    if origin != own or not found or not all(is_signed(public, body, signature) for signature in found):
        raise Answer(1, name, 0, 0, "no checkpoint that a key of this log signed")
    return size, root


def cosigned(name, text, key):
    """When a witness has cosigned a checkpoint."""
    body, _, _, _, signatures = note(name, text)
    own, key_id, public = key
    for by, of, signature in signatures:
        if (by, of) == (own, key_id):
            time = int.from_bytes(signature[:8], "big")
            message = b"cosignature/v1\ntime %d\n" % time + body
            if not is_signed(public, message, signature[8:]):
                break
            return time
    raise Answer(1, name, 0, 0, "no checkpoint that this witness cosigned")


class Keys:
    """The keys of a log, told in the node's own series, from the first root key on."""

    def __init__(self, first, files):
        self.name, self.roots, self.in_force, self.over = first[0], [first], [(0, first)], set()
        self.bases, self.begins, self.checked = [], None, {}
        for name, data in files:
            if not os.path.basename(name).startswith(f"{NODE:05}-") or not any(data):
                continue
            header = Header(name, data)
            self.begins = self.begins or header.first_seq
            at, record = HEADER, frame(data, HEADER)
            while isinstance(record, bytes):
                if record[4] in (RUN_KEY, ROOT_KEY):
                    seq = struct.unpack_from("<Q", record, 8)[0]
                    why = self.see(header.boot, seq, record[4], fields(record[FRAME:]) or {})
                    if why:
                        raise Answer(1, name, at, seq, why)
                at += -(-len(record) // 8) * 8
                record = frame(data, at)
        self.begins = self.begins or 1

    def at(self, size):
        return [key for seq, key in self.in_force if seq <= size][-1]

    def is_by(self, root, message, signature):
        asked = (root, message, signature)
        if asked not in self.checked:
            self.checked[asked] = is_signed(root[2], message, signature)
        return self.checked[asked]

    def see(self, boot, seq, kind, said):
        """What is wrong with a key that is told."""
        wanted = {LOG: 32, KEY: 32, KEY_SIGNATURE: 64, **({BOOT: 16} if kind == RUN_KEY else {KEY_CONSENT: 64})}
        if any(len(said.get(field, b"")) != length for field, length in wanted.items()) or ISSUED not in said:
            return "what is told of a key is damaged"
        shard, size, root = head(said.get(UP_TO, b""))
        if shard != NODE or len(root) != 32:
            return "what is told of a key is damaged"
        if said[LOG] != hashlib.sha256(self.name.encode()).digest():
            return "the key that is told is of another log"
        if size >= seq:
            return "the key that is told is bound to a state of the record at another place"
        key = key_of(self.name, 1, said[KEY])
        what = ["run", said[BOOT].hex()] if kind == RUN_KEY else ["root"]
        lines = [f"interceptor {what[0]} key v1", self.name, said[KEY].hex(), *what[1:]]
        message = "\n".join(lines + [str(number(said[ISSUED])), f"{size} {root.hex()}", ""]).encode()
        known = self.roots.index(key) if kind == ROOT_KEY and key in self.roots[1:] else len(self.roots)
        if not self.is_by(self.roots[known - 1], message, said[KEY_SIGNATURE]):
            replaced = any(self.is_by(root, message, said[KEY_SIGNATURE]) for root in self.roots[:-1])
            by = "a root key that was replaced before" if replaced else "no root key of this log"
            return f"the key that is told is signed by {by}"
        if kind == ROOT_KEY and not self.is_by(key, message, said[KEY_CONSENT]):
            return "the new root key has not signed that it is one"
        if kind == RUN_KEY and any(boot) and boot != said[BOOT]:
            return "the key that is told is of another boot of the host"
        if kind == RUN_KEY and key in self.over:
            return "the key that is told again is of a run that another one followed"
        if known < len(self.roots):
            return None
        if self.bases and self.bases[-1][1] > size:
            return "the key that is told is bound to a state of the record at another place"
        self.bases.append((NODE, size, root))
        if self.in_force[-1][1] != key:
            if kind == RUN_KEY and self.in_force[-1][1] not in self.roots:
                self.over.add(self.in_force[-1][1])
            self.in_force.append((seq, key))
        if kind == ROOT_KEY:
            self.roots.append(key)
        return None


def place(name):
    """Shard and number that a file's name says, if it is a segment's."""
    named = re.fullmatch(r"(\d{5})-(\d{10})\.seg", os.path.basename(name))
    return (int(named[1]), int(named[2])) if named else None


class Answer(Exception):
    def __init__(self, status, file, offset, seq, why, shard=None):
        word = {1: "tampered", 4: "torn tail", 5: "cannot tell"}[status]
        shard = (place(file) or (0, 0))[0] if shard is None else shard
        super().__init__(f"{word}: {file}: byte {offset}, record {shard}-{seq}: {why}")
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
        self.boot = data[80:96]
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
        value = payload[at : at + length]
        found[number] = found.get(number, []) + [value] if number == HEADS else value
        at += length
    return found


def closes(record, tree, header):
    """Whether a closing record tells of the records before it and of its segment's header."""
    said = fields(record[FRAME:])
    if said is None or any(key not in said for key in (TREE_SIZE, TREE_ROOT, HEADER_HASH)):
        return False
    size = int.from_bytes(said[TREE_SIZE], "little")
    return (size, said[TREE_ROOT], said[HEADER_HASH]) == (tree.size(), tree.root(), header.hash)


def number(value):
    return int.from_bytes(value, "little")


def head(value):
    """Shard, size and root."""
    return number(value[:2]), number(value[34:]), value[2:34]


class Tombstone:
    """What is told of a segment that was removed."""

    def __init__(self, said):
        self.shard, self.size, self.root = head(said[REMOVED])
        self.segment, self.first, self.until = (number(said[key]) for key in (SEGMENT, FIRST, UNTIL))
        self.sha256, self.signature = said[SHA256], said.get(SIGNATURE, b"")

    def is_signed(self, key):
        name, _, public = key
        lines = ["interceptor tombstone v1", name, f"{self.shard} {self.segment}"]
        lines += [f"{self.first} {self.size} {self.until}", self.root.hex(), self.sha256.hex(), ""]
        return is_signed(public, "\n".join(lines).encode(), self.signature)


def begins(segment, tombstones, keys):
    """Checks that what was before this first segment of a series is told of."""
    header, size = segment.header, segment.header.first_seq - 1
    told = [t for t in tombstones if (t.shard, t.segment) == (header.shard, header.number - 1)]
    fit = [t for t in told if (t.size, t.root) == (size, header.tree().root())]
    why = "what was before is missing, and no tombstone tells of it" if not told else "its tombstone tells of other records"
    if not fit or (keys and not any(t.is_signed(key) for t in fit for key in keys.roots)):
        raise Answer(1, segment.name, 0, size + 1, why if not fit else "its tombstone is not signed")
    return f"removed: shard {header.shard}: records 1 to {size} in {header.number - 1} segments"


class Segment:
    """One file, read to the end of its whole records."""

    def __init__(self, name, data, anchors):
        self.name, self.header = name, Header(name, data)
        if (place(name) or (self.header.shard, self.header.number)) != (self.header.shard, self.header.number):
            raise Answer(1, name, 0, self.header.first_seq, "the file's name is another segment's", self.header.shard)
        self.heads, self.beats, self.tombstones, self.due, self.came = [], [], [], set(), set()
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
            anchors.meet(self.header.shard, self.tree)
            if kind == CHECKPOINT and self.header.shard == NODE:
                said = fields(record[FRAME:]) or {}
                within = int.from_bytes(said.get(NEXT_WITHIN_S, b""), "little")
                self.beats.append((self.header.boot, seq, *struct.unpack_from("<QQ", record, 16), within))
                self.heads += [(seq, head(value)) for value in said.get(HEADS, [])]
            if kind == TOMBSTONE and self.header.shard == SERVICE:
                said = fields(record[FRAME:]) or {}
                if all(key in said for key in (REMOVED, FIRST, SEGMENT, SHA256, UNTIL)):
                    self.tombstones.append(Tombstone(said))
            if kind in (OUTCOME, RESULT):
                said = fields(record[FRAME:]) or {}
                if kind == RESULT:
                    (self.due.discard if said.get(DECISION) in self.due else self.came.add)(said.get(DECISION))
                elif said.get(RESULT_FOLLOWS) == b"\1":
                    self.due.add(said.get(DECISION))
            self.last = kind
            self.end += -(-len(record) // 8) * 8
            self.seq += 1
            self.records += 1
        if len(data) != self.header.size:
            raise Answer(1, name, self.end, self.seq, "the file's length")
        self.torn = self.tail(data, why)

    def tail(self, data, why):
        """Whether a crash leaves what follows; anything else that is not zeros was done to the file."""
        used = len(data.rstrip(b"\0"))
        if used <= self.end:
            return False
        behind, at = [], self.end
        while at < used:
            record = frame(data, at)
            if isinstance(record, bytes):
                behind.append((at, record))
            at += -(-len(record) // 8) * 8 if isinstance(record, bytes) else 8
        if behind and not self.is_lost(data, used, behind):
            raise Answer(1, self.name, self.end, self.seq, f"{why}, and whole records follow")
        if behind:
            return True
        if self.last == SEAL:
            raise Answer(1, self.name, self.end, self.seq, "bytes follow the seal")
        if used - self.end > FRAME + PAYLOAD_MAX:
            raise Answer(1, self.name, self.end, self.seq, "bytes where nothing was written")
        if not self.has_blank(data, len(data)):
            raise Answer(1, self.name, self.end, self.seq, why)
        return True

    def has_blank(self, data, until):
        """Whether a sector of the next record is all zero, as one that never reached the disk."""
        (length,) = struct.unpack_from("<I", data, self.end)
        end = min(self.end + length, until)
        starts = [self.end] + list(range((self.end // SECTOR + 1) * SECTOR, end, SECTOR))
        pieces = [data[a:b] for a, b in zip(starts, starts[1:] + [end])]
        return not length or not all(any(piece) for piece in pieces)

    def is_lost(self, data, used, behind):
        """Whether a power cut took the next record and left these behind it: none of them says that it was on disk."""
        numbers = [self.seq] + [struct.unpack_from("<Q", record, 8)[0] for _, record in behind]
        closing = [fields(record[FRAME:]) or {} for _, record in behind if record[4] in (ROOT, STOP, SEAL)]
        durable = max([number(said.get(DURABLE_SEQ, b"")) for said in closing], default=0)
        rest = used - behind[-1][0] - len(behind[-1][1])
        in_order = all(a < b for a, b in zip(numbers, numbers[1:]))
        is_behind = behind[0][0] > self.end and self.last != SEAL
        return is_behind and in_order and durable < self.seq and rest <= FRAME + PAYLOAD_MAX and self.has_blank(data, behind[0][0])


class Anchors:
    """What signed checkpoints say: (shard, size, root), each to be met."""

    def __init__(self, anchors=()):
        self.wanted = {}
        for shard, size, root in anchors:
            self.wanted.setdefault((shard, size), set()).add(root)
        self.met = set()

    def meet(self, shard, tree):
        roots = self.wanted.get((shard, tree.size())) if self.wanted else None
        if roots and roots == {tree.root()}:
            self.met.add((shard, tree.size()))

    def begin(self, shard, tree):
        """A series begins behind so many records: what is known of those says nothing any more."""
        for key in [key for key in self.wanted if key[0] == shard and key[1] < tree.size()]:
            del self.wanted[key]
        self.meet(shard, tree)

    def missing(self):
        return sorted(set(self.wanted) - self.met)


def told(files, size):
    """What the node's own records up to this one say of the shards."""
    heads = []
    for name, data in files:
        if os.path.basename(name).startswith(f"{NODE:05}-"):
            heads += [head for seq, head in Segment(name, data, Anchors()).heads if seq <= size]
    return heads


def silences(beats):
    """Where a checkpoint was due and none came: after which record, and how many seconds."""
    found = []
    for (boot, seq, mono, wall, within), (next_boot, _, next_mono, next_wall, _) in zip(beats, beats[1:]):
        length = max(next_wall - wall, next_mono - mono if boot == next_boot else 0)
        if within and length > within * 10**9:
            found.append(f"silence: after record {NODE}-{seq} for {length // 10**9} s")
    return found


def verify(files, running, anchors=None, notes=None, keys=None):
    """files: (name, bytes) in the order of names. The number of records, or an Answer. `notes` gets what is worth telling."""
    anchors = anchors or Anchors()
    beats, later, tombstones, due = [], [], [], set()
    last, torn, records, shards, seen = None, None, 0, 0, set()

    def series_ends(segment):
        nonlocal torn
        if segment.last != STOP and not running:
            torn = torn or Answer(4, segment.name, segment.end, segment.seq, "no orderly stop")

    blank = None
    for name, data in files:
        named = place(name)
        if not any(data):
            if not named:
                raise Answer(5, name, 0, 0, "the header was never written")
            if last is None or named[0] != last.header.shard or named[1] <= last.header.number:
                raise Answer(1, name, 0, 0, "the header was never written")
            blank = named[0]
            continue
        segment = Segment(name, data, anchors)
        header = segment.header
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
            if header.number != 1:
                later.append(segment)
                anchors.begin(header.shard, header.tree())
            if header.shard in seen or (last is not None and header.shard < last.header.shard):
                raise Answer(1, name, 0, header.first_seq, "a segment before it is missing")
        if segment.torn:
            torn = torn or Answer(4, name, segment.end, segment.seq, "an unfinished record")
        last = segment
        due = (due - segment.came) | segment.due
        beats.extend(segment.beats)
        tombstones.extend(segment.tombstones)
        seen.add(header.shard)
        records += segment.records
        shards = max(shards, header.shards)
    if last is None:
        raise Answer(5, "-", 0, 0, "there is no segment")
    series_ends(last)
    missing = set(range(shards)) - seen
    if missing:
        raise Answer(1, "-", 0, 1, "this shard's segments are missing", min(missing))
    told = [begins(segment, tombstones, keys) for segment in later]
    for shard, size in anchors.missing():
        raise Answer(1, "-", 0, size, "the records up to this one are not those that were signed", shard)
    if torn:
        raise torn
    if notes is not None:
        notes.extend(told + silences(beats))
        missing = sorted((number(of[:2]), number(of[2:])) for of in due)
        notes.extend(f"missing result: of record {shard}-{seq}" for shard, seq in missing)
    return records


def main(arguments):
    running, key, witness, signed, names = False, None, None, [], []
    arguments = list(arguments)
    while arguments:
        word = arguments.pop(0)
        if word == "--open":
            running = True
        elif word == "--key":
            key = public_key(arguments.pop(0))
        elif word == "--witness":
            witness = public_key(arguments.pop(0), 4)
        elif word in ("--checkpoint", "--kept", "--witnessed"):
            signed.append((word, arguments.pop(0)))
        else:
            names.append(word)
    # By name alone: the series may lie in several folders.
    names.sort(key=os.path.basename)
    try:
        files = []
        for name in names:
            try:
                with open(name, "rb") as file:
                    files.append((name, file.read()))
            except OSError as error:
                raise Answer(5, name, 0, 0, error.strerror)
        keys = Keys(key, files) if key else None
        anchors = [base for base in keys.bases if base[1]] if keys else []
        notes = []
        for word, name in signed:
            try:
                with open(name, encoding="utf-8") as file:
                    text = file.read()
            except FileNotFoundError:
                raise Answer(1, name, 0, 0, "the signed checkpoint is missing")
            size, root = checkpoint(name, text, keys)
            anchors += [(NODE, size, root)] + (told(files, size) if word == "--checkpoint" else [])
            if word == "--witnessed":
                notes.append(f"cosigned: checkpoint {size} by {witness[0]} at {cosigned(name, text, witness)}")
        if witness and not any(word == "--witnessed" for word, _ in signed):
            raise Answer(1, "-", 0, 0, "no checkpoint that this witness cosigned")
        print(f"whole: {verify(files, running, Anchors(anchors), notes, keys)} records")
        print(*notes, sep="\n", end="\n" if notes else "")
        return 0
    except Answer as answer:
        print(answer)
        return answer.status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
