use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use session::{Evidence, Raised};

use crate::latency::Latencies;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a shard counts. Written by the shard alone, read by anyone, each for itself (relaxed).
        #[derive(Debug, Default)]
        pub struct Counters {
            /// What its sessions saw in columns.
            pub(crate) evidence: Arc<Evidence>,
            /// Where the time goes.
            pub(crate) latencies: Latencies,
            $($(#[$doc])* pub(crate) $name: AtomicU64,)*
        }

        /// The counters of one shard at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Snapshot { $($(#[$doc])* pub $name: u64,)* }

        impl Counters {
            /// Reads all of them.
            pub fn snapshot(&self) -> Snapshot {
                Snapshot { $($name: self.$name.load(Ordering::Relaxed),)* }
            }
        }

        impl Snapshot {
            /// Each counter's name and value, for a metrics page.
            pub fn each(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Monotonic nanoseconds of the last turn of the shard's loop: the watchdog's food.
    ticked_ns,
    /// 1 once the shard has stopped.
    stopped,
    /// Sessions open now.
    sessions,
    /// Sessions whose database is not connected yet.
    handshakes,
    /// Connections accepted.
    accepted,
    /// Connections that the kernel half knew nothing of: closed.
    refused_unknown,
    /// Connections closed because the shard had its fill of sessions.
    refused_full,
    /// Connections closed because their agent had its fill of sessions.
    refused_agent,
    /// 1 while no new session's record would have room: connections are refused (53100), and statements once the last room is gone.
    record_full,
    /// Connections refused (53100) because no record can be written.
    refused_record,
    /// Statements refused (53100) because their records have no room: no record tells of them.
    refused_statements,
    /// Failed accepts, for want of descriptors for example.
    accept_errors,
    /// Connections to a database that could not be made.
    connect_errors,
    /// Connections whose TLS did not come about, or broke.
    insecure,
    /// Sessions that ended at once, by a fault or a reset and not in order.
    aborted,
    /// Bytes received from agents.
    from_agents,
    /// Bytes received from databases.
    from_databases,
    /// Bytes sent to agents.
    to_agents,
    /// Bytes sent to databases.
    to_databases,
    /// Receives that found the pool of buffers empty and waited for one.
    starved,
    /// The number of the last record.
    records,
    /// The number of the last record.
    last_seq,
    /// The number of the last record that is on disk.
    synced_seq,
    /// Times that records were brought to disk.
    syncs,
    /// Calls whose pieces waited for the disk.
    waited_for_disk,
    /// Statements that took longer than `slow_ms`.
    slow,
    /// Of them, those that nobody was told of: too many waited.
    slow_untold,
    /// Statements that were refused, with a record.
    blocked,
    /// Logins that were refused because the agent did not know the placeholder.
    wrong_placeholders,
    /// Values that were masked in results.
    masked,
    /// Bytes of results that are being recorded.
    result_bytes,
    /// Results of which less is recorded than usual, for want of memory or room: a count and a hash are.
    results_cut,
    /// Statements that were held for a person.
    held,
    /// Of them, those that were denied because the control plane did not listen.
    asks_unheard,
    /// Ends of held statements that the control plane was not told of, and cancel requests that did not reach their shard.
    asks_untold,
    /// Messages of the mailbox that were acted on.
    mail,
}

impl Counters {
    /// Of one shard of several: what is found in a column is raised once for all.
    pub(crate) fn with(raised: &Arc<Raised>) -> Counters {
        Counters { evidence: Arc::new(Evidence::new(Arc::clone(raised))), ..Counters::default() }
    }

    pub(crate) fn add(counter: &AtomicU64, count: u64) {
        // One writer, so a load and a store do. An addition under the bus's lock waits until all stores before it are in the
        // cache, those into the record's fresh pages too: a third of the time of `Shard::call` itself.
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    pub(crate) fn set(counter: &AtomicU64, value: u64) {
        counter.store(value, Ordering::Relaxed);
    }
}
