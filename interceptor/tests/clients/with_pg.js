// node `pg`, unchanged, as an agent uses it: `node with_pg.js direct|agent HOST PORT`.
'use strict'
const { Client, Pool } = require('pg')
const Cursor = require('pg-cursor')
const copy = require('pg-copy-streams')
const { pipeline: pipe } = require('node:stream/promises')
const { Readable } = require('node:stream')

const [mode, host, port] = process.argv.slice(2)
const AGENT = mode === 'agent'
const CARD = '4' + '1'.repeat(15)
const MASKED = '411111******1111'
const MEGABYTE = 1 << 20
const ROWS = 10000
const login = { host, port: Number(port), user: 'app', database: 'postgres', connectionTimeoutMillis: 20000 }

const ok = (name) => console.log('ok', name)
const expect = (condition, reason) => { if (!condition) throw new Error(reason) }
const same = (a, b, reason) => expect(JSON.stringify(a) === JSON.stringify(b), reason)

function luhn(digits) {
  const values = [...digits].reverse().map((d, place) => Number(d) * (1 + (place % 2)))
  return values.reduce((sum, v) => sum + (v > 9 ? v - 9 : v), 0) % 10 === 0
}
function textCard(value, what) {
  expect(value === (AGENT ? MASKED : CARD), `${what}: ${AGENT ? 'not masked' : 'changed'}`)
}
function numberCard(value, what) {
  expect(/^411111\d{6}1111$/.test(value), `${what}: the ends or the length changed`)
  expect(luhn(String(value)) !== AGENT, `${what}: ${AGENT ? 'still a card' : 'no card any more'}`)
}
function hidden(text, cards, what) {
  const found = text.split(AGENT ? MASKED : CARD).length - 1
  expect(found === cards, `${what}: ${found} of ${cards} cards are ${AGENT ? 'masked' : 'whole'}`)
  expect(!AGENT || !text.includes(CARD), `${what}: a card came through`)
}
async function fails(promise, sqlstate) {
  const error = await promise.then(() => null, (e) => e)
  expect(error !== null, `${sqlstate} was expected`)
  expect(error.code === sqlstate, `${error.code} ${error.message.replaceAll(CARD, 'CARD')}, not ${sqlstate}`)
  return error
}
async function connected(more = {}) {
  const client = new Client({ ...login, ...more })
  await client.connect()
  return client
}
async function gathered(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const checks = {
  async simple(client) {
    same((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }], 'SELECT 1')
    const results = await client.query('SELECT 1; SELECT 2')
    expect(results.length === 2, 'two results of one text')
  },
  async prepared(client) {
    for (let n = 0; n < 5; n++) {
      const query = { name: 'plus', text: 'SELECT $1::int + 1 AS n, $2::text AS t', values: [n, 'x'.repeat(n)] }
      same((await client.query(query)).rows, [{ n: n + 1, t: 'x'.repeat(n) }], 'a named statement')
    }
    const unnamed = await client.query({ text: 'SELECT $1::int AS n', values: [7], binary: true })
    same(unnamed.rows, [{ n: 7 }], 'a binary result')
  },
  async parameters(client) {
    const text = "SELECT $1::text, $2::bytea, $3::int[], $4::jsonb->>'a'"
    const { rows } = await client.query({ text, values: ['ü€😀', Buffer.from([0, 255]), [1, 2], { a: 'b' }], rowMode: 'array' })
    expect(rows[0][0] === 'ü€😀' && rows[0][1].equals(Buffer.from([0, 255])) && rows[0][3] === 'b', 'parameters of several types')
    same((await client.query('SELECT id FROM payments WHERE pan = $1', [CARD])).rows, [{ id: 1 }], 'a card in a parameter')
  },
  async masked(client) {
    const text = 'SELECT pan, pan_int, pan_num, meta, raw, cvv, amount, ARRAY[pan, pan] AS list, p::text AS whole FROM payments p WHERE id = $1'
    const row = (await client.query(text, [1])).rows[0]
    textCard(row.pan, 'text')
    numberCard(row.pan_int, 'int8')
    numberCard(row.pan_num, 'numeric')
    textCard(row.meta.pan, 'jsonb')
    textCard(row.raw.toString(), 'bytea')
    expect(row.cvv === (AGENT ? '***' : '121') && row.amount === '10.00', 'cvv and amount')
    // What holds a sensitive value beside others is masked whole.
    row.list.forEach((value) => expect(value === (AGENT ? '*'.repeat(16) : CARD), 'an array'))
    expect(row.whole.includes(CARD.slice(4)) !== AGENT, 'a whole row as text')
    const binary = (await client.query({ text: 'SELECT pan, raw FROM payments WHERE id = $1', values: [1], binary: true })).rows[0]
    textCard(binary.pan, 'binary text')
    textCard(binary.raw.toString(), 'binary bytea')
  },
  async 'copy-out'(client) {
    for (const options of ['', '(FORMAT csv)', '(FORMAT binary)']) {
      const stream = client.query(copy.to(`COPY payments (id, pan) TO STDOUT ${options}`))
      hidden((await gathered(stream)).toString('latin1'), 1, `COPY TO ${options}`)
    }
  },
  async 'copy-in'(client) {
    await client.query('DELETE FROM plain')
    const lines = Array.from({ length: ROWS }, (_, n) => `${n}\tnote ${n}\n`)
    const stream = client.query(copy.from('COPY plain FROM STDIN'))
    await pipe(Readable.from(lines), stream)
    expect(stream.rowCount === ROWS, 'rows of a COPY')
    same((await client.query('SELECT count(*)::int AS n, max(id) AS m FROM plain')).rows, [{ n: ROWS, m: ROWS - 1 }], 'rows copied in')
    await fails(client.query('COPY plain FROM STDIN'), '57014') // without a stream `pg` answers CopyFail by itself
    await client.query('DELETE FROM plain')
  },
  async cancel(client) {
    const other = await connected()
    const sleeping = client.query('SELECT pg_catalog.pg_sleep(60)')
    const ended = fails(sleeping, '57014')
    const text = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
    while ((await other.query(text, [client.processID])).rowCount === 0);
    // pg's own cancel(): a new connection with the key of `client`, for the query that runs.
    // Its end is waited for, as libpq does: the server signals the backend and its process group, so twice, and closes behind that.
    const canceller = new Client(login)
    const closed = new Promise((resolve) => canceller.connection.once('end', resolve))
    canceller.cancel(client, client.activeQuery)
    await ended
    await closed
    same((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }], 'after a cancel')
    await other.end()
  },
  async notify(client) {
    const other = await connected()
    const got = []
    const both = new Promise((resolve) => client.on('notification', (message) => got.push(message) === 2 && resolve()))
    await client.query('LISTEN jobs')
    await other.query("NOTIFY jobs, 'first'")
    await other.query(`NOTIFY jobs, 'card ${CARD}'`)
    await both
    expect(got[0].channel === 'jobs' && got[0].payload === 'first' && got[0].processId === other.processID, 'a notification')
    hidden(got[1].payload, 1, 'a payload')
    await client.query('UNLISTEN jobs')
    client.removeAllListeners('notification')
    await other.end()
  },
  async transactions(client) {
    await client.query('BEGIN')
    await client.query("INSERT INTO plain VALUES (1, 'gone')")
    await client.query('ROLLBACK')
    await client.query('BEGIN')
    await client.query("INSERT INTO plain VALUES (2, 'stays')")
    await client.query('SAVEPOINT s')
    await client.query("INSERT INTO plain VALUES (3, 'gone')")
    await fails(client.query('SELECT 1 / 0'), '22012')
    await fails(client.query('SELECT 1'), '25P02')
    await client.query('ROLLBACK TO SAVEPOINT s')
    await client.query('RELEASE SAVEPOINT s')
    await client.query("INSERT INTO plain VALUES (4, 'stays')")
    await client.query('COMMIT')
    same((await client.query('SELECT id FROM plain ORDER BY id')).rows, [{ id: 2 }, { id: 4 }], 'what was committed')
    await client.query('DELETE FROM plain')
  },
  async pipeline(client) {
    const queued = await Promise.all(Array.from({ length: 100 }, (_, n) => client.query('SELECT $1::int AS n', [n])))
    queued.forEach((result, n) => expect(result.rows[0].n === n, "the queue's answers, in order"))
    const sent = await connected({ pipeline: true })
    const failing = sent.query('SELECT 1 / $1::int', [0])
    const later = Array.from({ length: 100 }, (_, n) => sent.query({ name: n % 2 ? 'odd' : undefined, text: 'SELECT $1::int AS n', values: [n] }))
    await fails(failing, '22012')
    for (const [n, result] of (await Promise.all(later)).entries()) expect(result.rows[0].n === n, "the pipeline's answers, in order")
    if (AGENT) {
      const [before, refused, after] = [sent.query('SELECT 1 AS n'), sent.query('DROP TABLE payments'), sent.query('SELECT $1::int AS n', [2])]
      await Promise.all([before, fails(refused, '42501'), after])
    }
    await sent.end()
  },
  async error(client) {
    for (const [text, code] of [['SELECT 1 / 0', '22012'], ['SELECT * FROM nowhere', AGENT ? '42501' : '42P01'], ["SELECT 'x'::int", '22P02']]) {
      await fails(client.query(text), code)
      await fails(client.query({ text: text + ' WHERE $1 = 1', values: [1] }), code)
      same((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }], 'after an error')
    }
    const error = await fails(client.query("SELECT (pan || ' x')::date FROM payments WHERE id = 1"), AGENT ? '42501' : '22007')
    hidden(error.message, AGENT ? 0 : 1, "an error's text") // a cast whose failure would quote the value is refused
  },
  async refused(client) {
    if (!AGENT) return false
    const pid = client.processID
    await fails(client.query('DROP TABLE payments'), '42501')
    await fails(client.query('DELETE FROM payments WHERE pan = $1', [CARD]), '42501')
    await fails(client.query({ name: 'drop', text: 'DROP TABLE payments' }), '42501')
    same((await client.query('SELECT pg_backend_pid() AS pid')).rows, [{ pid }], 'after a refusal')
    await client.query('BEGIN')
    await fails(client.query('DROP TABLE payments'), '42501')
    await fails(client.query('SELECT 1'), '25P02')
    await client.query('ROLLBACK')
    same((await client.query('SELECT count(*)::int AS n FROM payments')).rows, [{ n: 5 }], 'the table is still there')
  },
  async nulls(client) {
    const { rows } = await client.query({ text: "SELECT NULL, NULL::int, $1::text, ''", values: [null], rowMode: 'array' })
    same(rows, [[null, null, null, '']], 'NULLs')
  },
  async big(client) {
    const value = 'y'.repeat(MEGABYTE)
    await client.query('INSERT INTO plain VALUES (1, $1)', [value])
    expect((await client.query('SELECT note FROM plain')).rows[0].note === value, 'a megabyte there and back')
    const text = `SELECT repeat('x', ${MEGABYTE}) || ' ' || (meta->>'pan') || ' ' || repeat('z', ${MEGABYTE}) AS t FROM payments WHERE id = 1`
    const big = (await client.query(text)).rows[0].t
    expect(big.length === 2 * MEGABYTE + 18, 'the length of a big value')
    hidden(big, 1, 'a card inside of two megabytes')
    await client.query('DELETE FROM plain')
  },
  async many(client) {
    const text = `SELECT g, pan, pan_int FROM payments, generate_series(1, ${ROWS}) g WHERE id = 1 ORDER BY g`
    const { rows } = await client.query(text)
    expect(rows.length === ROWS && rows.every((row, n) => row.g === n + 1), 'every row, in order')
    rows.forEach((row) => { textCard(row.pan, 'text of many rows'); numberCard(row.pan_int, 'int8 of many rows') })
  },
  async cursor(client) {
    const cursor = client.query(new Cursor(`SELECT g, pan FROM payments, generate_series(1, ${ROWS}) g WHERE id = $1 ORDER BY g`, [1]))
    let seen = 0
    for (let rows = await cursor.read(333); rows.length > 0; rows = await cursor.read(333)) {
      rows.forEach((row) => { expect(row.g === ++seen, "a cursor's rows, in order"); textCard(row.pan, "a cursor's row") })
    }
    expect(seen === ROWS, "a cursor's rows")
    await cursor.close()
    const early = client.query(new Cursor('SELECT generate_series(1, 1000)'))
    expect((await early.read(10)).length === 10, "a cursor's first rows")
    await early.close()
    same((await client.query('SELECT 1 AS one')).rows, [{ one: 1 }], 'after a cursor that was left')
  },
}

async function main() {
  expect(mode === 'direct' || AGENT, 'the mode is `direct` or `agent`')
  const client = await connected()
  expect(client.processID > 0, "the backend's pid")
  ok('connect')
  for (const [name, check] of Object.entries(checks)) if ((await check(client)) !== false) ok(name)
  await client.end()
  const pool = new Pool({ ...login, max: 4 })
  const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => pool.query('SELECT $1::int AS n', [n])))
  answers.forEach((result, n) => expect(result.rows[0].n === n, "a pool's answers"))
  await pool.end()
  ok('pool')
}

main().catch((error) => {
  const where = (error.stack.match(/with_pg\.js:\d+/g) || []).join(' ')
  console.log(`FAILED at ${where}: ${error.message.replaceAll(CARD, 'CARD')}`)
  process.exit(1)
})
