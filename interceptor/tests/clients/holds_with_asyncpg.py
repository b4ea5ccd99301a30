"""asyncpg, unchanged: statements that wait for a person. `holds_with_asyncpg.py agent HOST PORT`. See the one of psycopg."""
import asyncio
import json

import asyncpg

from check import HOST, PORT, expect, failed, ok

LOGIN = dict(host=HOST, port=PORT, user="app", database="postgres", timeout=20)


async def lives(conn):
    expect(await conn.fetchval("SELECT 1") == 1, "the connection lives")


async def denied(conn, text, *values):
    try:
        await conn.execute(text, *values)
    except asyncpg.InsufficientPrivilegeError as error:
        return json.loads(error.detail)
    raise AssertionError("42501 was expected")


async def main():
    conn = await asyncpg.connect(**LOGIN)
    notices = asyncio.Queue()
    conn.add_log_listener(lambda _, message: notices.put_nowait(message))
    pid = conn.get_server_pid()
    await conn.execute("INSERT INTO plain SELECT i, 'x' FROM generate_series(1, 9) i")

    expect(await conn.execute("DELETE FROM plain WHERE id = 1 /* approve */") == "DELETE 1", "a simple one")
    pending = json.loads((await asyncio.wait_for(notices.get(), 20)).detail)
    expect(pending["interceptor"] == "pending", "the notice")
    expect(await conn.execute("DELETE FROM plain WHERE id = $1 /* approve */", 2) == "DELETE 1", "with a parameter")
    prepared = await conn.prepare("DELETE FROM plain WHERE id = $1 RETURNING id /* approve */")
    expect(await prepared.fetchval(3) == 3, "prepared")
    await lives(conn)
    ok("approved")

    told = await denied(conn, "DELETE FROM plain WHERE id = $1 /* deny */", 4)
    expect(told["by"] == "ann" and told["reason"] == "not \u00e0 friday", "the reason")
    await lives(conn)
    ok("denied")

    expect((await denied(conn, "DELETE FROM plain WHERE id = 4 /* wait */"))["interceptor"] == "expired", "nobody decides")
    await lives(conn)
    ok("expired")

    try:
        await conn.execute("DELETE FROM plain WHERE id = $1 /* cancel */", 4, timeout=1)
        raise AssertionError("it was cancelled")
    except asyncio.TimeoutError:
        pass
    await lives(conn)
    ok("cancelled")

    transaction = conn.transaction()
    await transaction.start()
    expect(await conn.execute("DELETE FROM plain WHERE id = 5 /* approve */") == "DELETE 1", "in a transaction")
    await denied(conn, "DELETE FROM plain /* deny */")
    try:
        await conn.execute("SELECT 1")
        raise AssertionError("the transaction has failed")
    except asyncpg.InFailedSQLTransactionError:
        pass
    await transaction.rollback()
    expect(await conn.fetchval("SELECT count(*) FROM plain WHERE id = 5") == 1, "rolled back")
    ok("transaction")

    # Sent at once, with one Sync: each waits behind the one before it.
    await conn.executemany("DELETE FROM plain WHERE id = $1 /* approve */", [(6,), (7,)])
    try:
        await conn.executemany("DELETE FROM plain WHERE id = $1 /* deny */", [(8,), (9,)])
        raise AssertionError("42501 was expected")
    except asyncpg.InsufficientPrivilegeError:
        pass
    expect(not conn.is_in_transaction(), "the pipeline's own transaction is over")
    await lives(conn)
    ok("pipeline")

    expect(conn.get_server_pid() == pid, "one backend throughout")
    expect(await conn.fetchval("SELECT array_agg(id ORDER BY id) FROM plain") == [4, 5, 8, 9], "what ran")
    ok("exactly once")
    await conn.close()


try:
    asyncio.run(asyncio.wait_for(main(), 100))
except BaseException as reason:
    failed(reason)
