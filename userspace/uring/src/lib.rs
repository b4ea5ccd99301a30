//! The io_uring that we use, made safe: operations name a buffer id.
