//! What an operation was for, packed into the number that its completion carries.

use crate::link::Side;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// The index is the listener's.
    Accept,
    Mailbox,
    Sync,
    /// Nobody waits for it.
    Discard,
    // From here on the index is the link's.
    Receive(Side),
    Send(Side),
    Close(Side),
    Connect,
}

const TASKS: [Task; 11] = [
    Task::Accept,
    Task::Mailbox,
    Task::Sync,
    Task::Discard,
    Task::Receive(Side::Agent),
    Task::Receive(Side::Database),
    Task::Send(Side::Agent),
    Task::Send(Side::Database),
    Task::Close(Side::Agent),
    Task::Close(Side::Database),
    Task::Connect,
];

impl Task {
    pub(crate) fn token(self, index: u32) -> u64 {
        let number = match self {
            Task::Accept => 0,
            Task::Mailbox => 1,
            Task::Sync => 2,
            Task::Discard => 3,
            Task::Receive(side) => 4 + side as u64,
            Task::Send(side) => 6 + side as u64,
            Task::Close(side) => 8 + side as u64,
            Task::Connect => 10,
        };
        number << 32 | u64::from(index)
    }

    pub(crate) fn of(token: u64) -> (Task, u32) {
        // Tokens are ours alone: another number is a bug of ours.
        (TASKS[(token >> 32) as usize], token as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_comes_back() {
        for task in TASKS {
            assert_eq!(Task::of(task.token(0xFFFF_FFFF)), (task, 0xFFFF_FFFF));
        }
    }
}
