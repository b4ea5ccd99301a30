//! One connection pair as a state machine: input in, effects out, no IO and no clock.
