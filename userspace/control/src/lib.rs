//! The admin socket: status, metrics. tokio lives here alone.
