//! tokio-postgres, unchanged: statements that wait for a person. See the script of psycopg for who decides what.

use std::error::Error;
use std::future::poll_fn;

use futures_util::future::join;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_postgres::error::DbError;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Every check.
pub fn run(host: &str, port: u16) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, checks(host, port))
}

fn expect(condition: bool, reason: &str) -> Result<()> {
    if condition { Ok(()) } else { Err(reason.into()) }
}

async fn connect(host: &str, port: u16) -> Result<(Client, UnboundedReceiver<DbError>)> {
    let (client, mut connection) =
        Config::new().host(host).port(port).user("app").dbname("postgres").connect(NoTls).await?;
    let (sender, notices) = unbounded_channel();
    tokio::task::spawn_local(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notice(notice) = message
                && sender.send(notice).is_err()
            {
                return;
            }
        }
    });
    Ok((client, notices))
}

async fn lives(client: &Client) -> Result<()> {
    expect(client.query_one("SELECT 1", &[]).await?.get::<_, i32>(0) == 1, "the connection lives")
}

async fn fails(client: &Client, text: &str, code: &str) -> Result<String> {
    let Err(error) = client.execute(text, &[]).await else { return Err(format!("{code} was expected").into()) };
    let Some(said) = error.as_db_error() else { return Err(error.into()) };
    expect(said.code().code() == code, said.code().code())?;
    Ok(said.detail().unwrap_or_default().to_owned())
}

async fn checks(host: &str, port: u16) -> Result<()> {
    let (mut client, mut notices) = connect(host, port).await?;
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    client.batch_execute("INSERT INTO plain SELECT i, 'x' FROM generate_series(1, 9) i").await?;
    client.batch_execute("DELETE FROM plain WHERE id = 1 /* approve */").await?;
    let notice = notices.recv().await.ok_or("no notice")?;
    expect(notice.detail().is_some_and(|detail| detail.starts_with("{\"interceptor\":\"pending\"")), "the notice")?;
    expect(client.execute("DELETE FROM plain WHERE id = $1 /* approve */", &[&2]).await? == 1, "with a parameter")?;
    lives(&client).await?;

    let told = fails(&client, "DELETE FROM plain WHERE id = 4 /* deny */", "42501").await?;
    expect(told.contains(r#""by":"ann","reason":"not \u00e0 friday""#), "the reason")?;
    lives(&client).await?;
    let told = fails(&client, "DELETE FROM plain WHERE id = 4 /* wait */", "42501").await?;
    expect(told.starts_with("{\"interceptor\":\"expired\""), "nobody decides")?;
    lives(&client).await?;

    while notices.try_recv().is_ok() {}
    let token = client.cancel_token();
    let cancel = async {
        notices.recv().await;
        token.cancel_query(NoTls).await
    };
    let (held, cancelled) = join(fails(&client, "DELETE FROM plain WHERE id = 4 /* cancel */", "57014"), cancel).await;
    held?;
    cancelled?;
    lives(&client).await?;

    let transaction = client.transaction().await?;
    transaction.execute("DELETE FROM plain WHERE id = 5 /* approve */", &[]).await?;
    let denied = transaction.execute("DELETE FROM plain /* deny */", &[]).await;
    expect(denied.is_err(), "denied in a transaction")?;
    let failed = transaction.execute("SELECT 1", &[]).await.err().and_then(|error| error.code().cloned());
    expect(failed.is_some_and(|code| code.code() == "25P02"), "the transaction has failed, as the server has it")?;
    transaction.rollback().await?;

    // Sent at once: what is behind waits too.
    let (held, behind) = (
        client.execute("DELETE FROM plain WHERE id = $1 /* approve */", &[&6]),
        client.query_one("SELECT count(*) FROM plain WHERE id = 6", &[]),
    );
    let (held, behind) = join(held, behind).await;
    expect(held? == 1 && behind?.get::<_, i64>(0) == 0, "what is behind it comes behind it")?;
    let row = client.query_one("SELECT array_agg(id ORDER BY id), pg_backend_pid() FROM plain", &[]).await?;
    expect(row.get::<_, Vec<i32>>(0) == [3, 4, 5, 7, 8, 9] && row.get::<_, i32>(1) == pid, "what ran, on one backend")
}
