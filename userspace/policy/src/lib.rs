//! (subject, effects) -> verdict, and the words of approval.
