"""psycopg 3, unchanged, as an agent uses it: `with_psycopg.py direct|agent HOST PORT`."""
import contextlib
import threading

import psycopg
from psycopg import errors, pq

from check import AGENT, CARD, HOST, MASKED, MEGABYTE, PORT, ROWS, expect, failed, hidden, number_card, ok, text_card


def connect(**more):
    return psycopg.connect(host=HOST, port=PORT, user="app", dbname="postgres", connect_timeout=20, autocommit=True, **more)


def simple(conn):
    expect(conn.execute("SELECT 1").fetchone() == (1,), "SELECT 1")
    results = conn.execute("SELECT 1; SELECT 2, 'two'")
    expect(results.nextset() and results.fetchone() == (2, "two"), "the second result of one text")
    ok("simple")


def prepared(conn):
    for value in range(5):
        row = conn.execute("SELECT %s::int + 1, %s::text", (value, "x" * value), prepare=True).fetchone()
        expect(row == (value + 1, "x" * value), "a prepared statement's answer")
    # Without preparing: an unnamed statement, described and bound each time.
    expect(conn.execute("SELECT %s::int8", (1 << 40,), prepare=False).fetchone() == (1 << 40,), "an unnamed statement")
    ok("prepared")


def parameters(conn):
    row = conn.execute("SELECT %s::text, %s::bytea, %s::int[], %s::jsonb->>'a'", ("ü€😀", b"\0\xff", [1, 2], '{"a": "b"}')).fetchone()
    expect(row == ("ü€😀", b"\0\xff", [1, 2], "b"), "parameters of several types")
    found = conn.execute("SELECT id FROM payments WHERE pan = %s", (CARD,)).fetchall()
    expect(found == [(1,)], "a card in a parameter finds its row")
    ok("parameters")


def masked(conn):
    query = "SELECT pan, pan_int, pan_num, meta->>'pan', raw, cvv, amount FROM payments WHERE id = %s"
    for binary in (False, True):
        cursor = conn.cursor(binary=binary)
        pan, pan_int, pan_num, meta, raw, cvv, amount = cursor.execute(query, (1,)).fetchone()
        text_card(pan, "text")
        number_card(pan_int, "int8")
        number_card(pan_num, "numeric")
        text_card(meta, "json's text")
        text_card(raw.decode(), "bytea")
        expect(cvv == ("***" if AGENT else "121"), "cvv")
        expect(str(amount) == "10.00", "an amount is no card")
        whole, array = cursor.execute("SELECT p, ARRAY[pan, pan] FROM payments p WHERE id = %s", (1,)).fetchone()
        # What holds a sensitive value beside others is masked whole.
        expect(array == ["*" * 16 if AGENT else CARD] * 2, "array")
        expect((CARD[4:] in str(whole)) != AGENT, "a whole row")
    meta = conn.execute("SELECT meta FROM payments WHERE id = 1").fetchone()[0]
    text_card(meta["pan"], "jsonb")
    ok("masked")


def copy_out(conn):
    cursor = conn.cursor()
    for options in ("", "(FORMAT CSV)"):
        with cursor.copy(f"COPY payments (id, pan) TO STDOUT {options}") as copy:
            hidden(b"".join(copy).decode(), 1, f"COPY TO {options}")
    with cursor.copy("COPY payments (id, pan, pan_int) TO STDOUT (FORMAT BINARY)") as copy:
        copy.set_types(["int4", "text", "int8"])
        rows = list(copy.rows())
    expect(len(rows) == 5, "rows of a binary COPY")
    text_card(rows[0][1], "text in a binary COPY")
    number_card(rows[0][2], "int8 in a binary COPY")
    with cursor.copy("COPY (SELECT id, note FROM tickets) TO STDOUT") as copy:
        expect((CARD[:4] + " 11** **** 1111" in b"".join(copy).decode()) == AGENT, "a query copied out")
    ok("copy-out")


def copy_in(conn):
    conn.execute("DELETE FROM plain")
    cursor = conn.cursor()
    with cursor.copy("COPY plain FROM STDIN") as copy:
        for row in ((1, "one"), (2, None), (3, "tab\tand\nline")):
            copy.write_row(row)
    with cursor.copy("COPY plain (id, note) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["int4", "text"])
        for number in range(100, 100 + ROWS):
            copy.write_row((number, f"note {number}"))
    expect(conn.execute("SELECT count(*), count(note) FROM plain").fetchone() == (ROWS + 3, ROWS + 2), "rows copied in")
    expect(conn.execute("SELECT note FROM plain WHERE id = 3").fetchone() == ("tab\tand\nline",), "an escaped value")
    try:
        with cursor.copy("COPY plain FROM STDIN") as copy:
            copy.write_row((1, "given up"))
            raise RuntimeError("the client gives up")
    except RuntimeError:
        pass
    expect(conn.execute("SELECT count(*) FROM plain WHERE note = 'given up'").fetchone() == (0,), "a COPY that was given up")
    conn.execute("DELETE FROM plain")
    ok("copy-in")


def asleep(other, pid):
    """Waits until the server says that this backend sleeps in pg_sleep."""
    query = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
    while other.execute(query, (pid,)).fetchone() is None:
        pass


def cancel(conn):
    with connect() as other:
        for ask in (conn.cancel, conn.cancel_safe):
            outcome = []

            def run():
                try:
                    conn.execute("SELECT pg_catalog.pg_sleep(60)")
                    outcome.append("finished")
                except errors.QueryCanceled as error:
                    outcome.append(error.sqlstate)
                except Exception as error:
                    outcome.append(repr(error))

            thread = threading.Thread(target=run)
            thread.start()
            asleep(other, conn.info.backend_pid)
            ask()
            thread.join()
            expect(outcome == ["57014"], f"a cancelled statement ended with {outcome}")
            expect(conn.execute("SELECT 1").fetchone() == (1,), "after a cancel")
    ok("cancel")


def notify(conn):
    with connect() as other:
        conn.execute("LISTEN jobs")
        other.execute("NOTIFY jobs, 'first'")
        with other.transaction():
            other.execute(f"NOTIFY jobs, 'card {CARD}'")
        got = list(conn.notifies(timeout=20, stop_after=2))
        expect([n.channel for n in got] == ["jobs", "jobs"] and got[0].payload == "first", "notifications")
        hidden(got[1].payload, 1, "a payload")
        expect(got[0].pid == other.info.backend_pid, "the notifying backend's own pid")
        conn.execute("UNLISTEN jobs")
    ok("notify")


def transactions(conn):
    conn.execute("DELETE FROM plain")
    with conn.transaction(force_rollback=True):
        conn.execute("INSERT INTO plain VALUES (1, 'gone')")
    with conn.transaction():
        conn.execute("INSERT INTO plain VALUES (2, 'stays')")
        try:
            with conn.transaction():
                conn.execute("INSERT INTO plain VALUES (3, 'gone')")
                conn.execute("SELECT 1 / 0")
        except errors.DivisionByZero:
            pass
        conn.execute("INSERT INTO plain VALUES (4, 'stays')")
    expect(conn.execute("SELECT id FROM plain ORDER BY id").fetchall() == [(2,), (4,)], "what was committed")
    conn.execute("DELETE FROM plain")
    ok("transactions")


def broken_pipeline(conn, text, wanted):
    """What follows the failing statement is skipped until the Sync; what stands before it has its answer."""
    with conn.pipeline() as pipe:
        first, sent, caught = conn.execute("SELECT 1"), [], None
        try:
            # An answer that is there already is raised by the next execute, else by sync.
            sent.append(conn.execute(text))
            sent.append(conn.execute("SELECT 3"))
            pipe.sync()
        except psycopg.Error as error:
            caught = error
            with contextlib.suppress(psycopg.Error):
                pipe.sync()
        expect(isinstance(caught, wanted), f"{type(caught).__name__}, not {wanted.__name__}")
        expect(first.fetchone() == (1,), "before the error")
        statuses = [c.pgresult and c.pgresult.status for c in sent]
        expect(pq.ExecStatus.TUPLES_OK not in statuses, f"the failing and the skipped one: {statuses}")
        expect(conn.execute("SELECT 4").fetchone() == (4,), "after the Sync")


def pipeline(conn):
    with conn.pipeline() as pipe:
        cursors = [conn.execute("SELECT %s::int", (number,)) for number in range(100)]
        pipe.sync()
        expect([c.fetchone()[0] for c in cursors] == list(range(100)), "answers of a pipeline, in order")
    broken_pipeline(conn, "SELECT 1 / 0", errors.DivisionByZero)
    conn.cursor().executemany("INSERT INTO plain VALUES (%s, %s)", [(n, f"n{n}") for n in range(1000)])
    expect(conn.execute("SELECT count(*), sum(id) FROM plain").fetchone() == (1000, 499500), "executemany")
    conn.execute("DELETE FROM plain")
    ok("pipeline")


def error(conn):
    for text, wanted in (("SELECT 1 / 0", "22012"), ("SELECT * FROM nowhere", "42P01"), ("SELECT 'x'::int", "22P02")):
        try:
            conn.execute(text)
            raise AssertionError("an error was expected")
        except psycopg.Error as caught:
            # A table that no rule names is refused before the server can miss it.
            expect(caught.sqlstate == ("42501" if AGENT and wanted == "42P01" else wanted), f"{caught.sqlstate}, not {wanted}")
        expect(conn.execute("SELECT 1").fetchone() == (1,), "after an error")
    try:
        conn.execute("SELECT (pan || ' x')::date FROM payments WHERE id = 1")
    except psycopg.Error as caught:
        hidden(str(caught), 0 if AGENT else 1, "an error's text")  # an error over a sensitive table loses the value whole
    ok("error")


def refused(conn):
    if not AGENT:
        return
    pid = conn.info.backend_pid
    for params in (None, ("x",)):
        try:
            conn.execute("DROP TABLE payments" if params is None else "DELETE FROM payments WHERE pan = %s", params)
            raise AssertionError("a refusal was expected")
        except errors.InsufficientPrivilege as caught:
            expect(caught.sqlstate == "42501", "the refusal's SQLSTATE")
        expect(conn.execute("SELECT 1, pg_backend_pid()").fetchone() == (1, pid), "after a refusal")
    conn.autocommit = False
    for text, wanted in (("SELECT 1", None), ("DROP TABLE payments", "42501"), ("SELECT 1", "25P02")):
        try:
            conn.execute(text)
            expect(wanted is None, f"{wanted} was expected")
        except psycopg.Error as caught:
            expect(caught.sqlstate == wanted, f"{caught.sqlstate}, not {wanted}")
    expect(conn.info.transaction_status == pq.TransactionStatus.INERROR, "the transaction is failed")
    conn.rollback()
    conn.autocommit = True
    broken_pipeline(conn, "DROP TABLE payments", errors.InsufficientPrivilege)
    expect(conn.execute("SELECT count(*) FROM payments").fetchone() == (5,), "the table is still there")
    ok("refused")


def nulls(conn):
    row = conn.execute("SELECT NULL, NULL::int, %s::text, ''", (None,)).fetchone()
    expect(row == (None, None, None, ""), "NULLs")
    conn.execute("INSERT INTO plain VALUES (%s, %s)", (None, None), binary=True)
    expect(conn.execute("SELECT id, note FROM plain").fetchall() == [(None, None)], "NULL there and back")
    conn.execute("DELETE FROM plain")
    ok("nulls")


def big(conn):
    value = "y" * MEGABYTE
    conn.execute("INSERT INTO plain VALUES (1, %s)", (value,))
    for binary in (False, True):
        expect(conn.execute("SELECT note FROM plain", binary=binary).fetchone() == (value,), "a megabyte there and back")
    text = conn.execute(f"SELECT repeat('x', {MEGABYTE}) || ' ' || (meta->>'pan') || ' ' || repeat('z', {MEGABYTE}) FROM payments WHERE id = 1").fetchone()[0]
    expect(len(text) == 2 * MEGABYTE + 18, "the length of a big value")
    hidden(text, 1, "a card inside of two megabytes")
    conn.execute("DELETE FROM plain")
    ok("big")


def many(conn):
    query = f"SELECT g, pan, pan_int FROM payments, generate_series(1, {ROWS}) g WHERE id = 1 ORDER BY g"
    rows = conn.execute(query).fetchall()
    expect([row[0] for row in rows] == list(range(1, ROWS + 1)), "every row, in order")
    hidden("\n".join(row[1] for row in rows), ROWS, "many rows")
    for row in rows:
        number_card(row[2], "int8 of many rows")
    ok("many")


def cursor(conn):
    with conn.transaction():
        with conn.cursor("slowly") as named:
            named.itersize = 333
            named.execute(f"SELECT g, pan FROM payments, generate_series(1, {ROWS}) g WHERE id = 1 ORDER BY g")
            seen = 0
            for number, pan in named:
                seen += 1
                expect(number == seen, "a cursor's rows, in order")
                text_card(pan, "a cursor's row")
            expect(seen == ROWS, "a cursor's rows")
    streamed = sum(1 for _ in conn.cursor().stream(f"SELECT generate_series(1, {ROWS})"))
    expect(streamed == ROWS, "rows in single-row mode")
    ok("cursor")


CHECKS = [simple, prepared, parameters, masked, copy_out, copy_in, cancel, notify, transactions, pipeline, error, refused, nulls, big, many, cursor]

try:
    connection = connect()
    expect(connection.info.port == PORT and connection.pgconn.backend_pid > 0, "the address and the backend's pid")
    ok("connect")
    for check in CHECKS:
        check(connection)
    connection.close()
    expect(connection.closed, "closed")
    ok("close")
except BaseException as reason:
    failed(reason)
