//! What may not pass does not, and the initiator is told as the protocol has it: every refusal as it is seen from the
//! initiator's segment, with its counter, and with the target's file untouched.

#![forbid(unsafe_code)]

mod disks;
mod others;
mod rules;
mod scene;
