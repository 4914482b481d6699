//! Who may do what: refused at once by the edge, and again by the exit when a peer lies.

mod liar;
mod opcodes;
mod rights;
mod sectors;
mod stage;
