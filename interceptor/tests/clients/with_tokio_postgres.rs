//! tokio-postgres, unchanged, as an agent uses it. It speaks the extended protocol in binary, and pipelines by itself.

use std::error::Error;
use std::pin::pin;

use futures_util::future::{join_all, poll_fn};
use futures_util::{Sink, SinkExt, TryStreamExt, stream};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::binary_copy::{BinaryCopyInWriter, BinaryCopyOutStream};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Notification, SimpleQueryMessage};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const MASKED: &str = "411111******1111";
const MEGABYTE: usize = 1 << 20;
const ROWS: i32 = 10_000;

/// Who runs the checks, and where the database is.
pub struct Run {
    pub agent: bool,
    pub host: String,
    pub port: u16,
}

/// Every check, each with a line `ok NAME`; the first that fails ends it with its reason.
pub fn run(run: &Run) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run.checks()).map_err(|why| format!("{why}; {:?}", why.source()).replace(&card(), "CARD").into())
}

fn card() -> String {
    format!("4{}", "1".repeat(15))
}

fn ok(name: &str) {
    println!("ok {name}");
}

fn expect(condition: bool, reason: &str) -> Result<()> {
    if condition { Ok(()) } else { Err(reason.into()) }
}

fn sqlstate(error: &tokio_postgres::Error) -> String {
    error.code().map_or_else(|| format!("no SQLSTATE: {error}"), |code| code.code().to_owned())
}

fn fails<T>(outcome: std::result::Result<T, tokio_postgres::Error>, wanted: &str) -> Result<tokio_postgres::Error> {
    match outcome {
        Ok(_) => Err(format!("{wanted} was expected").into()),
        Err(error) if sqlstate(&error) == wanted => Ok(error),
        Err(error) => Err(format!("{} ({error:?}), not {wanted}", sqlstate(&error)).into()),
    }
}

fn luhn(digits: &str) -> bool {
    let value = |(place, digit): (usize, u8)| match u32::from(digit - b'0') * (1 + place as u32 % 2) {
        large @ 10.. => large - 9,
        small => small,
    };
    digits.bytes().rev().enumerate().map(value).sum::<u32>().is_multiple_of(10)
}

impl Run {
    async fn checks(&self) -> Result<()> {
        let (client, mut notifications) = self.connect().await?;
        ok("connect");
        simple(&client).await?;
        prepared(&client).await?;
        self.parameters(&client).await?;
        self.masked(&client).await?;
        self.copy_out(&client).await?;
        copy_in(&client).await?;
        self.cancel(&client).await?;
        self.notify(&client, &mut notifications).await?;
        let client = transactions(client).await?;
        self.pipeline(&client).await?;
        self.error(&client).await?;
        if self.agent {
            refused(&client).await?;
        }
        nulls(&client).await?;
        self.big(&client).await?;
        self.many(&client).await?;
        self.cursor(client).await
    }

    async fn connect(&self) -> Result<(Client, UnboundedReceiver<Notification>)> {
        let mut config = Config::new();
        config.host(&self.host).port(self.port).user("app").dbname("postgres").application_name("tokio-postgres");
        let (client, mut connection) = config.connect(NoTls).await?;
        let (sender, receiver) = unbounded_channel();
        tokio::spawn(async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                match message {
                    Ok(AsyncMessage::Notification(got)) => drop(sender.send(got)),
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        Ok((client, receiver))
    }

    fn text_card(&self, value: &str, what: &str) -> Result<()> {
        let wanted = if self.agent { MASKED.to_owned() } else { card() };
        expect(value == wanted, &format!("{what}: {}", if self.agent { "not masked" } else { "changed" }))
    }

    fn number_card(&self, value: &str, what: &str) -> Result<()> {
        let ends = value.len() == 16 && value.starts_with("411111") && value.ends_with("1111");
        expect(ends && value.bytes().all(|b| b.is_ascii_digit()), &format!("{what}: the ends or the length changed"))?;
        expect(luhn(value) != self.agent, &format!("{what}: still, or no longer, a card"))
    }

    fn hidden(&self, text: &str, cards: usize, what: &str) -> Result<()> {
        let (whole, masked) = (text.matches(&card()).count(), text.matches(MASKED).count());
        let wanted = if self.agent { (0, cards) } else { (cards, 0) };
        expect((whole, masked) == wanted, &format!("{what}: {whole} whole, {masked} masked, {cards} expected"))
    }

    async fn parameters(&self, client: &Client) -> Result<()> {
        let (text, bytes, list) = ("ü€😀", vec![0u8, 255], vec![1i32, 2]);
        let row = client.query_one("SELECT $1::text, $2::bytea, $3::int[]", &[&text, &bytes, &list]).await?;
        expect(row.get::<_, &str>(0) == text && row.get::<_, Vec<u8>>(1) == bytes, "text and bytes")?;
        expect(row.get::<_, Vec<i32>>(2) == list, "an array")?;
        let number: i64 = card().parse()?;
        let found =
            client.query("SELECT id FROM payments WHERE pan = $1 AND pan_int = $2", &[&card(), &number]).await?;
        expect(found.len() == 1 && found[0].get::<_, i32>(0) == 1, "a card in parameters")?;
        ok("parameters");
        Ok(())
    }

    async fn masked(&self, client: &Client) -> Result<()> {
        let text = "SELECT pan, pan_int, pan_num::text, meta->>'pan', raw, cvv, ARRAY[pan], ARRAY[pan_int], p::text \
                    FROM payments p WHERE id = $1";
        let row = client.query_one(text, &[&1i32]).await?;
        self.text_card(row.get(0), "text")?;
        self.number_card(&row.get::<_, i64>(1).to_string(), "int8")?;
        self.text_card(row.get(2), "a number as text")?;
        self.text_card(row.get(3), "json's text")?;
        self.text_card(&String::from_utf8(row.get(4))?, "bytea")?;
        expect(row.get::<_, &str>(5) == if self.agent { "***" } else { "121" }, "cvv")?;
        // What holds a sensitive value beside others is masked whole.
        let first = row.get::<_, Vec<&str>>(6).first().copied().unwrap_or_default().to_owned();
        expect(first == if self.agent { "*".repeat(16) } else { card() }, "an array")?;
        let number = row.get::<_, Vec<i64>>(7).first().copied().unwrap_or_default();
        self.number_card(&number.to_string(), "an array of int8")?;
        let whole: &str = row.get(8);
        expect(whole.contains(&card()[4..]) != self.agent, "a whole row as text")?;
        ok("masked");
        Ok(())
    }

    async fn copy_out(&self, client: &Client) -> Result<()> {
        for options in ["", "(FORMAT csv)"] {
            let stream = client.copy_out(&format!("COPY payments (id, pan) TO STDOUT {options}")).await?;
            let bytes: Vec<u8> = stream.try_collect::<Vec<_>>().await?.concat();
            self.hidden(&String::from_utf8(bytes)?, 1, "COPY TO")?;
        }
        let text = "COPY payments (pan, pan_int) TO STDOUT (FORMAT binary)";
        let rows = BinaryCopyOutStream::new(client.copy_out(text).await?, &[Type::TEXT, Type::INT8]);
        let rows: Vec<_> = rows.try_collect().await?;
        expect(rows.len() == 5, "rows of a binary COPY")?;
        self.text_card(rows[0].get(0), "text in a binary COPY")?;
        self.number_card(&rows[0].get::<i64>(1).to_string(), "int8 in a binary COPY")?;
        ok("copy-out");
        Ok(())
    }

    async fn cancel(&self, client: &Client) -> Result<()> {
        let (other, _) = self.connect().await?;
        let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        let asleep = "SELECT 1 FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'";
        let stop = async {
            while other.query(asleep, &[&pid]).await?.is_empty() {}
            // Its end is waited for, as libpq does: the server signals the backend and its process group, so twice, and closes behind that.
            let mut socket = TcpStream::connect((self.host.as_str(), self.port)).await?;
            client.cancel_token().cancel_query_raw(&mut socket, NoTls).await?;
            socket.read_to_end(&mut Vec::new()).await?;
            Ok::<(), Box<dyn Error>>(())
        };
        let (slept, stopped) = tokio::join!(client.execute("SELECT pg_catalog.pg_sleep(60)", &[]), stop);
        stopped?;
        fails(slept, "57014")?;
        expect(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0) == 1, "after a cancel")?;
        ok("cancel");
        Ok(())
    }

    async fn notify(&self, client: &Client, got: &mut UnboundedReceiver<Notification>) -> Result<()> {
        let (other, _) = self.connect().await?;
        client.batch_execute("LISTEN jobs").await?;
        other.batch_execute(&format!("NOTIFY jobs, 'first'; NOTIFY jobs, 'card {}'", card())).await?;
        let (first, second) = (got.recv().await.ok_or("no notification")?, got.recv().await.ok_or("only one")?);
        expect(first.channel() == "jobs" && first.payload() == "first", "a notification")?;
        self.hidden(second.payload(), 1, "a payload")?;
        client.batch_execute("UNLISTEN jobs").await?;
        ok("notify");
        Ok(())
    }

    /// Concurrent queries of one client go out without waiting for each other.
    async fn pipeline(&self, client: &Client) -> Result<()> {
        let statement = client.prepare("SELECT $1::int").await?;
        let numbers: Vec<i32> = (0..200).collect();
        let ask = async |number: &i32| client.query_one(&statement, &[number]).await;
        for (wanted, answer) in numbers.iter().zip(join_all(numbers.iter().map(ask)).await) {
            expect(answer?.get::<_, i32>(0) == *wanted, "answers of a pipeline, in order")?;
        }
        let (by_zero, three): ([&(dyn ToSql + Sync); 1], [&(dyn ToSql + Sync); 1]) = ([&0i32], [&3i32]);
        let (before, broken, unprepared, after) = tokio::join!(
            client.query_one("SELECT 1", &[]),
            client.query_one("SELECT 1 / $1::int", &by_zero),
            client.simple_query(if self.agent { "DROP TABLE payments" } else { "SELECT 1 / 0" }),
            client.query_one(&statement, &three)
        );
        fails(broken, "22012")?;
        fails(unprepared, if self.agent { "42501" } else { "22012" })?;
        expect(before?.get::<_, i32>(0) == 1 && after?.get::<_, i32>(0) == 3, "around errors in a pipeline")?;
        ok("pipeline");
        Ok(())
    }

    async fn error(&self, client: &Client) -> Result<()> {
        let unknown = if self.agent { "42501" } else { "42P01" };
        for (text, wanted) in
            [("SELECT 1 / 0", "22012"), ("SELECT * FROM nowhere", unknown), ("SELECT 'x'::int", "22P02")]
        {
            fails(client.query(text, &[]).await, wanted)?;
            fails(client.batch_execute(text).await, wanted)?;
            expect(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0) == 1, "after an error")?;
        }
        // A cast whose failure would quote the value is refused.
        let wanted = if self.agent { "42501" } else { "22007" };
        let error = fails(client.query("SELECT (pan || ' x')::date FROM payments WHERE id = 1", &[]).await, wanted)?;
        let said = error.as_db_error().map(ToString::to_string).unwrap_or_default();
        self.hidden(&said, usize::from(!self.agent), "an error's text")?;
        ok("error");
        Ok(())
    }

    async fn big(&self, client: &Client) -> Result<()> {
        let value = "y".repeat(MEGABYTE);
        client.execute("INSERT INTO plain VALUES (1, $1)", &[&value]).await?;
        let back = client.query_one("SELECT note FROM plain", &[]).await?;
        expect(back.get::<_, &str>(0) == value, "a megabyte there and back")?;
        let text = format!(
            "SELECT repeat('x', {MEGABYTE}) || ' ' || (meta->>'pan') || ' ' || repeat('z', {MEGABYTE}) FROM payments WHERE id = 1"
        );
        let big = client.query_one(&text, &[]).await?;
        expect(big.get::<_, &str>(0).len() == 2 * MEGABYTE + 18, "the length of a big value")?;
        self.hidden(big.get(0), 1, "a card inside of two megabytes")?;
        client.batch_execute("DELETE FROM plain").await?;
        ok("big");
        Ok(())
    }

    fn row(&self, row: &tokio_postgres::Row, number: i32) -> Result<()> {
        expect(row.get::<_, i32>(0) == number, "every row, in order")?;
        self.text_card(row.get(1), "text of many rows")?;
        self.number_card(&row.get::<_, i64>(2).to_string(), "int8 of many rows")
    }

    async fn many(&self, client: &Client) -> Result<()> {
        let rows = client.query(&many(), &[&1i32]).await?;
        for (number, row) in (1..).zip(&rows) {
            self.row(row, number)?;
        }
        expect(rows.len() == ROWS as usize, "every row")?;
        ok("many");
        Ok(())
    }

    async fn cursor(&self, mut client: Client) -> Result<()> {
        let transaction = client.transaction().await?;
        let portal = transaction.bind(&many(), &[&1i32]).await?;
        let mut seen = 0;
        loop {
            let rows = transaction.query_portal(&portal, 333).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                seen += 1;
                self.row(row, seen)?;
            }
        }
        transaction.commit().await?;
        expect(seen == ROWS, "a portal's rows")?;
        ok("cursor");
        Ok(())
    }
}

fn many() -> String {
    format!("SELECT g, pan, pan_int FROM payments, generate_series(1, {ROWS}) g WHERE id = $1 ORDER BY g")
}

async fn simple(client: &Client) -> Result<()> {
    let messages = client.simple_query("SELECT 1; SELECT 'two'").await?;
    let values: Vec<&str> = messages
        .iter()
        .filter_map(|m| match m {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    expect(values == ["1", "two"], "two results of one text")?;
    ok("simple");
    Ok(())
}

async fn prepared(client: &Client) -> Result<()> {
    let statement = client.prepare("SELECT $1::int + 1, $2::text, $3::float8").await?;
    for number in 0..5i32 {
        let row = client.query_one(&statement, &[&number, &"x", &1.5f64]).await?;
        expect(row.get::<_, i32>(0) == number + 1 && row.get::<_, f64>(2) == 1.5, "a prepared statement")?;
    }
    drop(statement);
    let typed = client.prepare_typed("SELECT $1", &[Type::INT8]).await?;
    expect(client.query_one(&typed, &[&(1i64 << 40)]).await?.get::<_, i64>(0) == 1 << 40, "a typed parameter")?;
    ok("prepared");
    Ok(())
}

async fn copy_in(client: &Client) -> Result<()> {
    client.batch_execute("DELETE FROM plain").await?;
    let mut sink = pin!(client.copy_in("COPY plain FROM STDIN").await?);
    let lines = (0..ROWS).map(|n| Ok(bytes::Bytes::from(format!("{n}\tnote {n}\n"))));
    sink.send_all(&mut stream::iter(lines)).await?;
    expect(sink.as_mut().finish().await? == ROWS as u64, "rows of a COPY")?;
    let sink = client.copy_in("COPY plain FROM STDIN (FORMAT binary)").await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &[Type::INT4, Type::TEXT]));
    for number in 0..ROWS {
        writer.as_mut().write(&[&number, &"binary"]).await?;
    }
    expect(writer.finish().await? == ROWS as u64, "rows of a binary COPY")?;
    {
        let mut given_up = pin!(client.copy_in("COPY plain FROM STDIN").await?);
        given_up.feed(bytes::Bytes::from_static(b"1\tgiven up\n")).await?;
        poll_fn(|cx| given_up.as_mut().poll_flush(cx)).await?;
    }
    let row = client.query_one("SELECT count(*) FROM plain", &[]).await?;
    expect(row.get::<_, i64>(0) == 2 * i64::from(ROWS), "rows copied in")?;
    client.batch_execute("DELETE FROM plain").await?;
    ok("copy-in");
    Ok(())
}

async fn transactions(mut client: Client) -> Result<Client> {
    let gone = client.transaction().await?;
    gone.execute("INSERT INTO plain VALUES (1, 'gone')", &[]).await?;
    gone.rollback().await?;
    let mut outer = client.transaction().await?;
    outer.execute("INSERT INTO plain VALUES (2, 'stays')", &[]).await?;
    {
        let inner = outer.savepoint("s").await?;
        inner.execute("INSERT INTO plain VALUES (3, 'gone')", &[]).await?;
        fails(inner.execute("SELECT 1 / 0", &[]).await, "22012")?;
        fails(inner.query("SELECT 1", &[]).await, "25P02")?;
        // Dropped without a commit: the driver sends ROLLBACK TO by itself.
    }
    outer.execute("INSERT INTO plain VALUES (4, 'stays')", &[]).await?;
    outer.commit().await?;
    let rows = client.query("SELECT id FROM plain ORDER BY id", &[]).await?;
    expect(rows.iter().map(|r| r.get::<_, i32>(0)).eq([2, 4]), "what was committed")?;
    client.batch_execute("DELETE FROM plain").await?;
    ok("transactions");
    Ok(client)
}

async fn refused(client: &Client) -> Result<()> {
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    for _ in 0..3 {
        fails(client.batch_execute("DROP TABLE payments").await, "42501")?;
        fails(client.execute("DROP TABLE payments", &[]).await, "42501")?;
        fails(client.execute("DELETE FROM payments WHERE pan = $1", &[&card()]).await, "42501")?;
        let row = client.query_one("SELECT pg_backend_pid()", &[]).await?;
        expect(row.get::<_, i32>(0) == pid, "after a refusal")?;
    }
    client.batch_execute("BEGIN").await?;
    fails(client.batch_execute("DROP TABLE payments").await, "42501")?;
    fails(client.query("SELECT 1", &[]).await, "25P02")?;
    client.batch_execute("ROLLBACK").await?;
    let row = client.query_one("SELECT count(*) FROM payments", &[]).await?;
    expect(row.get::<_, i64>(0) == 5, "the table is still there")?;
    ok("refused");
    Ok(())
}

async fn nulls(client: &Client) -> Result<()> {
    let row = client.query_one("SELECT NULL::text, $1::int, ''", &[&None::<i32>]).await?;
    expect(row.get::<_, Option<&str>>(0).is_none() && row.get::<_, Option<i32>>(1).is_none(), "NULLs")?;
    expect(row.get::<_, &str>(2).is_empty(), "an empty text is no NULL")?;
    client.execute("INSERT INTO plain VALUES ($1, $2)", &[&None::<i32>, &None::<&str>]).await?;
    let back = client.query_one("SELECT id, note FROM plain", &[]).await?;
    expect(back.get::<_, Option<i32>>(0).is_none(), "NULL there and back")?;
    client.batch_execute("DELETE FROM plain").await?;
    ok("nulls");
    Ok(())
}
