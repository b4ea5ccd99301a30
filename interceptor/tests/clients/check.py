"""What the Python scripts share: `ok NAME` per check, and what a card looks like in either mode.

Published test numbers only, and no number is ever printed: what is compared is told by its shape.
"""
import sys
import traceback

MODE, HOST, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])
AGENT = MODE == "agent"
assert MODE in ("direct", "agent"), "the mode is `direct` or `agent`"
CARD = "4" + "1" * 15
MASKED = "411111" + "*" * 6 + "1111"
MEGABYTE = 1 << 20
ROWS = 10_000


def ok(name):
    print("ok", name, flush=True)


def expect(condition, reason):
    if not condition:
        raise AssertionError(reason)


def luhn(digits):
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def text_card(value, what):
    """Payment 1's card as text, alone in its value."""
    expect(value == (MASKED if AGENT else CARD), f"{what}: {'not masked' if AGENT else 'changed'}, {len(str(value))} long")


def number_card(value, what):
    """Payment 1's card as a number: masked keeps its ends and its length, and is no card any more."""
    text = str(value)
    expect(len(text) == 16 and text.startswith("411111") and text.endswith("1111"), f"{what}: the ends or the length changed")
    expect(luhn(text) != AGENT, f"{what}: {'still a card' if AGENT else 'no card any more'}")


def hidden(text, cards, what):
    """Somewhere in a text: so many cards, all of them whole or none."""
    found = text.count(MASKED) if AGENT else text.count(CARD)
    expect(found == cards, f"{what}: {found} of {cards} cards are {'masked' if AGENT else 'whole'}")
    expect(not AGENT or CARD not in text, f"{what}: a card came through")


def failed(reason):
    """The end of a script that did not pass: where, and why, without values."""
    frames = [f for f in traceback.extract_tb(reason.__traceback__) if "with_" in f.filename]
    where = frames[-1].lineno if frames else "?"
    print(f"FAILED at line {where}: {type(reason).__name__}: {str(reason).replace(CARD, 'CARD')}", flush=True)
    sys.exit(1)
