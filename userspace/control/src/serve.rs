//! The server: one thread, one runtime, one unix socket.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use crate::{Source, Status, metrics};

/// The running server; it ends, and its socket goes, when this is dropped.
#[derive(Debug)]
pub struct Handle {
    path: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Serves `source` on a unix socket at `path`, which only its owner and its group may use. A socket that an earlier run
/// left behind is replaced.
pub fn serve(path: &Path, source: Arc<dyn Source>) -> io::Result<Handle> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = std::os::unix::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (stop, stopped) = oneshot::channel();
    let routes = Router::new()
        .route("/status", get(status))
        .route("/status/text", get(status_text))
        .route("/metrics", get(metrics_text))
        .route("/reload", post(reload))
        .with_state(source);
    let thread = std::thread::Builder::new().name("control".into()).spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = UnixListener::from_std(listener) else { return };
            let until = async {
                let _ = stopped.await;
            };
            let _ = axum::serve(listener, routes).with_graceful_shutdown(until).await;
        });
    })?;
    Ok(Handle { path: path.into(), stop: Some(stop), thread: Some(thread) })
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn status(State(source): State<Arc<dyn Source>>) -> Json<Status> {
    Json(source.status())
}

async fn status_text(State(source): State<Arc<dyn Source>>) -> String {
    source.status().text()
}

async fn metrics_text(State(source): State<Arc<dyn Source>>) -> ([(&'static str, &'static str); 1], String) {
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], metrics::text(&source.status()))
}

async fn reload(State(source): State<Arc<dyn Source>>) -> (StatusCode, String) {
    match source.reload() {
        Ok(version) => (StatusCode::OK, version),
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, why),
    }
}
