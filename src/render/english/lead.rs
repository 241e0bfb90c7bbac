//! First sentences that need no figures.

use crate::notice::NoticeKind;

/// What needs no figures, about several sources.
pub(super) fn lead_of_many(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::SourceWatching => {
            "These lists are watched from now on. \
             What stands on them already is not told singly; what fails from now on is."
        }
        NoticeKind::StateLost => {
            "It cannot be said any more which of the failures on these lists were told. \
             Look through them once; what fails from now on is told as usual. What was damaged is \
             kept: `taskbell state info`."
        }
        kind => fixed_lead(kind),
    }
}

/// What needs no figures.
pub(super) fn fixed_lead(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::TaskCleared => {
            "No longer on the cloud's list of failed tasks. \
             That does not have to mean resolved: records can be deleted."
        }
        NoticeKind::SourceWatching => {
            "This list is watched from now on. \
             What stands on it already is not told singly; what fails from now on is."
        }
        NoticeKind::StateLost => {
            "It cannot be said any more which of the failures on the list were told. \
             Look through the list once; what fails from now on is told as usual. What was damaged is \
             kept: `taskbell state info`."
        }
        NoticeKind::TaskReminder => {
            "Told before, and still on the cloud's list of failed tasks. \
             `taskbell failure ack` ends the reminders."
        }
        NoticeKind::StormOpened => {
            "More at once than is told singly. Updates follow, and a summary when it is over; \
             each failure is on record."
        }
        NoticeKind::StormUpdated => "What the storm brought since it was last told.",
        NoticeKind::SourceBlind => {
            "What fails there now is seen late or, if it is deleted before, never."
        }
        NoticeKind::SourceSighted => "What failed meanwhile is told now, if it is still listed.",
        NoticeKind::StoreFailed => {
            "taskbell cannot keep its record, so it neither polls nor tells. What fails now is seen \
             when it works again, if it is still listed; what was owed is told then. This message is \
             on no record and comes about once an hour until then."
        }
        NoticeKind::TaskStuck => "Running for longer than such a task should.",
        // The others have figures.
        _ => "This is a test, asked for by the operator. Nothing failed.",
    }
}
