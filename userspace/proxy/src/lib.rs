//! Shards: accept, upstream, journal, mailbox; one thread, one ring each.
