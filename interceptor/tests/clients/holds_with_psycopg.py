"""psycopg 3, unchanged: statements that wait for a person. `holds_with_psycopg.py agent HOST PORT`.

Whoever runs it approves what says `approve`, denies what says `deny`, and lets the rest wait.
"""
import json
import threading

import psycopg
from psycopg import errors, pq

from check import HOST, PORT, expect, failed, ok

LOGIN = dict(host=HOST, port=PORT, user="app", dbname="postgres", connect_timeout=20)


def lives(conn):
    expect(conn.execute("SELECT 1").fetchone() == (1,), "the connection lives")


def denied(conn, text, *more):
    try:
        conn.execute(text, *more)
    except errors.InsufficientPrivilege as error:
        return json.loads(error.diag.message_detail)
    raise AssertionError("42501 was expected")


def main():
    notices = []
    conn = psycopg.connect(autocommit=True, **LOGIN)
    # A notice's fields are gone once its handler is.
    conn.add_notice_handler(lambda notice: notices.append(notice.message_detail))
    pid = conn.info.backend_pid
    conn.execute("INSERT INTO plain SELECT i, 'x' FROM generate_series(1, 9) i")

    expect(conn.execute("DELETE FROM plain WHERE id = 1 /* approve */").rowcount == 1, "a simple one")
    pending = json.loads(notices[0])
    expect(pending["interceptor"] == "pending" and len(pending["id"]) == 11, "the notice names the approval")
    for prepare in (False, True):
        gone = conn.execute("DELETE FROM plain WHERE id = %s /* approve */", (2 + prepare,), prepare=prepare)
        expect(gone.rowcount == 1, "with a parameter")
    lives(conn)
    ok("approved")

    told = denied(conn, "DELETE FROM plain WHERE id = %s /* deny */", (4,))
    expect(told["interceptor"] == "denied" and told["by"] == "ann" and told["reason"] == "not \u00e0 friday", "the reason")
    lives(conn)
    ok("denied")

    expect(denied(conn, "DELETE FROM plain WHERE id = 4 /* wait */")["interceptor"] == "expired", "nobody decides")
    lives(conn)
    ok("expired")

    seen = threading.Event()
    conn.add_notice_handler(lambda _: seen.set())
    canceller = threading.Thread(target=lambda: (seen.wait(30), conn.cancel()))
    canceller.start()
    try:
        conn.execute("DELETE FROM plain WHERE id = 4 /* cancel */")
        raise AssertionError("it was cancelled")
    except errors.QueryCanceled:
        pass
    canceller.join()
    lives(conn)
    ok("cancelled")

    with psycopg.connect(**LOGIN) as inner:
        inner.execute("DELETE FROM plain WHERE id = 5 /* approve */")
        expect(inner.info.transaction_status == pq.TransactionStatus.INTRANS, "still in its transaction")
        denied(inner, "DELETE FROM plain /* deny */")
        expect(inner.info.transaction_status == pq.TransactionStatus.INERROR, "failed, as the server has it")
        inner.rollback()
        expect(inner.execute("SELECT count(*) FROM plain WHERE id = 5").fetchone() == (1,), "rolled back")
    ok("transaction")

    with conn.pipeline():
        held = conn.execute("DELETE FROM plain WHERE id = %s /* approve */", (6,))
        behind = conn.execute("SELECT 7")
    expect(held.rowcount == 1 and behind.fetchone() == (7,), "what is behind it comes behind it")
    ok("pipeline")

    expect(conn.info.backend_pid == pid, "one backend throughout")
    expect(conn.execute("SELECT array_agg(id ORDER BY id) FROM plain").fetchone() == ([4, 5, 7, 8, 9],), "what ran")
    ok("exactly once")


try:
    main()
except BaseException as reason:
    failed(reason)
