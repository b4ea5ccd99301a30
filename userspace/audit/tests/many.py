"""Many logs through verify.py in one process, for tests. A line of words between tabs comes in, lines of status, tab and words go out.

    verify  OPEN  ANCHORS  FILE...    one line: the answer. OPEN is 0 or 1; ANCHORS are SHARD:SIZE:ROOT, a blank between them
    flips   MASK  FILE...             a line for each byte of the first file, changed by the mask, in turn
"""
import functools
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import verify

# Most frames are the same in all logs.
verify.crc32c = functools.lru_cache(1 << 16)(verify.crc32c)


def read(name):
    with open(name, "rb") as file:
        return name, file.read()


def answer(files, running=False, anchors=()):
    try:
        return f"0\twhole: {verify.verify(files, running, verify.Anchors(anchors))} records"
    except verify.Answer as why:
        return f"{why.status}\t{why}"


def main():
    for line in sys.stdin:
        what, how, *names = line.rstrip("\n").split("\t")
        if what == "verify":
            anchors = [anchor.split(":") for anchor in names.pop(0).split()]
            anchors = [(int(shard), int(size), bytes.fromhex(root)) for shard, size, root in anchors]
            files = sorted((read(name) for name in names if name), key=lambda file: os.path.basename(file[0]))
            print(answer(files, how == "1", anchors))
        else:
            (name, data), *rest = [read(name) for name in names]
            for at in range(len(data)):
                flipped = data[:at] + bytes([data[at] ^ int(how)]) + data[at + 1 :]
                print(answer([(name, flipped)] + rest))
        sys.stdout.flush()


main()
