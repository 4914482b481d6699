//! Whose initiator it is like.

/// How an initiator repeats a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Habit {
    /// Under a new tag, by the Linux driver's timer.
    #[default]
    NewTags,
    /// Under the tag of the original, as iPXE, Plan 9 and WinAoE do, and after 320 ms at most, as Plan 9. All else
    /// is as with Linux.
    SameTag,
}
