"""asyncpg, unchanged, as an agent uses it: `with_asyncpg.py direct|agent HOST PORT`. It speaks binary throughout."""
import asyncio
import io

import asyncpg

from check import AGENT, CARD, HOST, MASKED, MEGABYTE, PORT, ROWS, expect, failed, hidden, number_card, ok, text_card

LOGIN = dict(host=HOST, port=PORT, user="app", database="postgres", timeout=20)


async def simple(conn):
    expect(await conn.execute("SELECT 1; SELECT 2") == "SELECT 1", "several statements in one text")
    expect(await conn.fetchval("SELECT 1") == 1, "SELECT 1")
    ok("simple")


async def prepared(conn):
    statement = await conn.prepare("SELECT $1::int + 1, $2::text")
    expect([p.name for p in statement.get_parameters()] == ["int4", "text"], "the parameters' types")
    for value in range(5):
        expect(tuple(await statement.fetchrow(value, "x" * value)) == (value + 1, "x" * value), "a prepared statement")
    for value in range(200):  # more texts than asyncpg's cache of statements holds: it closes the oldest
        expect(await conn.fetchval(f"SELECT {value}") == value, "a cached statement")
    ok("prepared")


async def parameters(conn):
    row = await conn.fetchrow("SELECT $1::text, $2::bytea, $3::int[], $4::jsonb->>'a'", "ü€😀", b"\0\xff", [1, 2], '{"a": "b"}')
    expect(tuple(row) == ("ü€😀", b"\0\xff", [1, 2], "b"), "parameters of several types")
    expect(await conn.fetch("SELECT id FROM payments WHERE pan = $1", CARD) == [(1,)], "a card in a parameter")
    expect(await conn.fetchval("SELECT id FROM payments WHERE pan_int = $1", int(CARD)) == 1, "a card in an int8 parameter")
    ok("parameters")


async def masked(conn):
    row = await conn.fetchrow("SELECT pan, pan_int, pan_num, meta, raw, cvv, amount FROM payments WHERE id = $1", 1)
    text_card(row["pan"], "text")
    number_card(row["pan_int"], "int8")
    number_card(row["pan_num"], "numeric")
    hidden(row["meta"], 1, "jsonb")
    text_card(row["raw"].decode(), "bytea")
    expect(row["cvv"] == ("***" if AGENT else "121"), "cvv")
    expect(str(row["amount"]) == "10.00", "an amount is no card")
    whole, array, numbers = await conn.fetchrow("SELECT p, ARRAY[pan, NULL, pan], ARRAY[pan_int] FROM payments p WHERE id = 1")
    # What holds a sensitive value beside others is masked whole.
    stars = "*" * 16
    expect(whole["pan"] == (stars if AGENT else CARD), "a composite's text")
    expect((str(whole["pan_int"]) == CARD) != AGENT, "a composite's int8")
    expect(array == [stars if AGENT else CARD, None, stars if AGENT else CARD], "an array")
    number_card(numbers[0], "an array of int8")
    ok("masked")


async def copy_out(conn):
    for options in ({}, {"format": "csv"}):
        into = io.BytesIO()
        await conn.copy_from_table("payments", columns=["id", "pan"], output=into, **options)
        hidden(into.getvalue().decode(), 1, f"COPY TO {options}")
    into = io.BytesIO()
    said = await conn.copy_from_table("payments", columns=["id", "pan"], output=into, format="binary")
    expect(said == "COPY 5", "rows of a binary COPY")
    hidden(into.getvalue().decode("latin-1"), 1, "a binary COPY")
    into = io.BytesIO()
    await conn.copy_from_query("SELECT id, note FROM tickets WHERE id = $1", 1, output=into)
    expect((b"11** **** 1111" in into.getvalue()) == AGENT, "a query copied out")
    ok("copy-out")


async def copy_in(conn):
    await conn.execute("DELETE FROM plain")
    said = await conn.copy_records_to_table("plain", records=[(n, f"note {n}") for n in range(ROWS)])
    expect(said == f"COPY {ROWS}", "rows of a binary COPY")
    said = await conn.copy_to_table("plain", source=io.BytesIO(b"-1,one\n-2,\n"), format="csv")
    expect(said == "COPY 2", "rows of a CSV COPY")
    expect(await conn.fetchval("SELECT count(note) FROM plain") == ROWS + 1, "rows copied in")
    try:
        await conn.copy_to_table("plain", source=io.BytesIO(b"x\ty\n"))
        raise AssertionError("an error was expected")
    except asyncpg.InvalidTextRepresentationError:
        pass
    await conn.execute("DELETE FROM plain")
    ok("copy-in")


async def cancel(conn):
    other = await asyncpg.connect(**LOGIN)
    query = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
    task = asyncio.ensure_future(conn.execute("SELECT pg_catalog.pg_sleep(60)"))
    while await other.fetchval(query, conn.get_server_pid()) is None:
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
        raise AssertionError("the statement went on")
    except asyncio.CancelledError:
        pass
    expect(await conn.fetchval("SELECT 1") == 1, "after a cancel")
    try:
        await conn.fetchval("SELECT pg_catalog.pg_sleep(60)", timeout=0.5)
        raise AssertionError("the statement went on")
    except asyncio.TimeoutError:
        pass
    expect(await conn.fetchval("SELECT 2") == 2, "after a timeout")
    await other.close()
    ok("cancel")


async def notify(conn):
    other = await asyncpg.connect(**LOGIN)
    got = asyncio.Queue()
    listener = lambda _, pid, channel, payload: got.put_nowait((pid, channel, payload))
    await conn.add_listener("jobs", listener)
    await other.execute("NOTIFY jobs, 'first'")
    await other.execute(f"NOTIFY jobs, 'card {CARD}'")
    first, second = await asyncio.wait_for(got.get(), 20), await asyncio.wait_for(got.get(), 20)
    expect(first == (other.get_server_pid(), "jobs", "first"), "a notification")
    hidden(second[2], 1, "a payload")
    await conn.remove_listener("jobs", listener)
    await other.close()
    ok("notify")


async def transactions(conn):
    await conn.execute("DELETE FROM plain")
    transaction = conn.transaction()
    await transaction.start()
    await conn.execute("INSERT INTO plain VALUES (1, 'gone')")
    await transaction.rollback()
    async with conn.transaction(isolation="serializable"):
        await conn.execute("INSERT INTO plain VALUES ($1, $2)", 2, "stays")
        try:
            async with conn.transaction():
                await conn.execute("INSERT INTO plain VALUES (3, 'gone')")
                await conn.execute("SELECT 1 / 0")
        except asyncpg.DivisionByZeroError:
            pass
        await conn.execute("INSERT INTO plain VALUES (4, 'stays')")
    expect(await conn.fetch("SELECT id FROM plain ORDER BY id") == [(2,), (4,)], "what was committed")
    await conn.execute("DELETE FROM plain")
    ok("transactions")


async def pipeline(conn):
    await conn.executemany("INSERT INTO plain VALUES ($1, $2)", [(n, f"n{n}") for n in range(ROWS)])
    expect(tuple(await conn.fetchrow("SELECT count(*), max(id) FROM plain")) == (ROWS, ROWS - 1), "executemany")
    rows = await conn.fetchmany("SELECT $1::int", [(n,) for n in range(100)])
    expect([row[0] for row in rows] == list(range(100)), "fetchmany, in order")
    try:
        await conn.executemany("INSERT INTO plain VALUES ($1, (1 / $2::int)::text)", [(-1, 1), (-2, 0), (-3, 1)])
        raise AssertionError("an error was expected")
    except asyncpg.DivisionByZeroError:
        pass
    expect(await conn.fetchval("SELECT count(*) FROM plain WHERE id < 0") == 0, "a batch that failed")
    await conn.execute("DELETE FROM plain")
    ok("pipeline")


async def error(conn):
    for text, wanted in (("SELECT 1 / 0", "22012"), ("SELECT * FROM nowhere", "42P01"), ("SELECT 'x'::int", "22P02")):
        for run in (conn.execute, conn.fetch):
            try:
                await run(text)
                raise AssertionError("an error was expected")
            except asyncpg.PostgresError as caught:
                expected = "42501" if AGENT and wanted == "42P01" else wanted
                expect(caught.sqlstate == expected, f"{caught.sqlstate}, not {expected}")
            expect(await conn.fetchval("SELECT 1") == 1, "after an error")
    try:
        await conn.fetch("SELECT (pan || ' x')::date FROM payments WHERE id = 1")
    except asyncpg.PostgresError as caught:
        hidden(str(caught), 0 if AGENT else 1, "an error's text")  # an error over a sensitive table loses the value whole
    ok("error")


async def refused(conn):
    if not AGENT:
        return
    pid = conn.get_server_pid()
    for run in (conn.execute, conn.fetch, conn.prepare):
        try:
            await run("DROP TABLE payments")
            raise AssertionError("a refusal was expected")
        except asyncpg.InsufficientPrivilegeError as caught:
            expect(caught.sqlstate == "42501", "the refusal's SQLSTATE")
        expect(tuple(await conn.fetchrow("SELECT 1, pg_backend_pid()")) == (1, pid), "after a refusal")
    transaction = conn.transaction()
    await transaction.start()
    for wanted in (asyncpg.InsufficientPrivilegeError, asyncpg.InFailedSQLTransactionError):
        try:
            await conn.fetch("DELETE FROM payments WHERE pan = $1", CARD)
            raise AssertionError("a refusal was expected")
        except wanted:
            pass
        except asyncpg.InsufficientPrivilegeError:
            pass  # the refusal comes first again: it does not ask in what state the transaction is
    try:
        await conn.fetch("SELECT 1")
        raise AssertionError("the transaction is not failed")
    except asyncpg.InFailedSQLTransactionError:
        pass
    await transaction.rollback()
    expect(await conn.fetchval("SELECT count(*) FROM payments") == 5, "the table is still there")
    ok("refused")


async def nulls(conn):
    row = await conn.fetchrow("SELECT NULL, NULL::int, $1::text, ''", None)
    expect(tuple(row) == (None, None, None, ""), "NULLs")
    await conn.execute("INSERT INTO plain VALUES ($1, $2)", None, None)
    expect(await conn.fetch("SELECT id, note FROM plain") == [(None, None)], "NULL there and back")
    await conn.execute("DELETE FROM plain")
    ok("nulls")


async def big(conn):
    value = "y" * MEGABYTE
    await conn.execute("INSERT INTO plain VALUES (1, $1)", value)
    expect(await conn.fetchval("SELECT note FROM plain") == value, "a megabyte there and back")
    text = await conn.fetchval(f"SELECT repeat('x', {MEGABYTE}) || ' ' || (meta->>'pan') || ' ' || repeat('z', {MEGABYTE}) FROM payments WHERE id = 1")
    expect(len(text) == 2 * MEGABYTE + 18, "the length of a big value")
    hidden(text, 1, "a card inside of two megabytes")
    await conn.execute("DELETE FROM plain")
    ok("big")


async def many(conn):
    rows = await conn.fetch(f"SELECT g, pan, pan_int FROM payments, generate_series(1, {ROWS}) g WHERE id = 1 ORDER BY g")
    expect([row[0] for row in rows] == list(range(1, ROWS + 1)), "every row, in order")
    hidden("\n".join(row[1] for row in rows), ROWS, "many rows")
    for row in rows:
        number_card(row[2], "int8 of many rows")
    ok("many")


async def cursor(conn):
    query = f"SELECT g, pan FROM payments, generate_series(1, {ROWS}) g WHERE id = $1 ORDER BY g"
    async with conn.transaction():
        seen = 0
        async for number, pan in conn.cursor(query, 1, prefetch=333):
            seen += 1
            expect(number == seen, "a cursor's rows, in order")
            text_card(pan, "a cursor's row")
        expect(seen == ROWS, "a cursor's rows")
        portal = await conn.cursor(query, 1)
        expect(await portal.forward(10) == 10 and (await portal.fetchrow())[0] == 11, "a portal that is moved")
    ok("cursor")


async def pool():
    async with asyncpg.create_pool(min_size=4, max_size=4, **LOGIN) as many_connections:
        values = await asyncio.gather(*(many_connections.fetchval("SELECT $1::int", n) for n in range(100)))
    expect(values == list(range(100)), "a pool's answers")
    ok("pool")


CHECKS = [simple, prepared, parameters, masked, copy_out, copy_in, cancel, notify, transactions, pipeline, error, refused, nulls, big, many, cursor]


async def main():
    connection = await asyncpg.connect(**LOGIN)
    expect(connection.get_server_pid() > 0 and connection.get_settings().client_encoding == "UTF8", "what the server said at login")
    ok("connect")
    for check in CHECKS:
        await check(connection)
    await connection.close()
    ok("close")
    await pool()


try:
    asyncio.run(main())
except BaseException as reason:
    failed(reason)
