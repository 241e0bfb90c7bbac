//! How what is said later stands beside the message that told first.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::message::{MessageRef, Original};

/// Where reminders, and notices of what cleared, appear.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum FollowUp {
    /// As an answer to the message that told of the failures.
    #[default]
    Thread,
    /// In the place of that message if all that it told has cleared, which rings no bell; else as
    /// an answer to it.
    Edit,
    /// As messages of their own.
    Message,
}

/// What that comes to for one notice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way<'a> {
    /// A message of its own.
    Alone,
    /// An answer to this one.
    Answer(&'a MessageRef),
    /// In the place of this one.
    Instead(&'a MessageRef),
}

impl FollowUp {
    /// What a notice becomes whose failures were told by `original`.
    pub(super) fn way(self, original: Option<&Original>) -> Way<'_> {
        match (self, original) {
            (Self::Message, _) | (_, None) => Way::Alone,
            (Self::Edit, Some(Original { message, over: true })) => Way::Instead(message),
            (Self::Thread | Self::Edit, Some(Original { message, .. })) => Way::Answer(message),
        }
    }
}

/// `parts` as one reference, whatever is in them; `None` if they are too long for one.
pub(super) fn join(parts: &[&str]) -> Option<MessageRef> {
    let coded = parts.iter().map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC).to_string());
    MessageRef::parse(coded.collect::<Vec<_>>().join("/"))
}

/// The parts of a reference that [`join`] made of as many.
pub(super) fn split<const N: usize>(message: &MessageRef) -> Option<[String; N]> {
    let parts = message.as_str().split('/');
    let parts = parts.map(|part| percent_decode_str(part).decode_utf8().map(String::from));
    parts.collect::<Result<Vec<_>, _>>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_choice_has_its_way() {
        let message = join(&["7"]).unwrap();
        let original = |over| Original { message: message.clone(), over };
        for (choice, over, expected) in [
            (FollowUp::Thread, None, Way::Alone),
            (FollowUp::Thread, Some(false), Way::Answer(&message)),
            (FollowUp::Thread, Some(true), Way::Answer(&message)),
            (FollowUp::Edit, None, Way::Alone),
            (FollowUp::Edit, Some(false), Way::Answer(&message)),
            (FollowUp::Edit, Some(true), Way::Instead(&message)),
            (FollowUp::Message, None, Way::Alone),
            (FollowUp::Message, Some(true), Way::Alone),
        ] {
            let original = over.map(original);
            assert_eq!(choice.way(original.as_ref()), expected, "{choice:?} {over:?}");
        }
    }

    #[test]
    fn parts_come_back_as_they_were() {
        for parts in [["#运维 / 1", "C01", "1732356005.000100"], ["", "a%2Fb", "/"]] {
            let message = join(&parts).unwrap();
            assert_eq!(split::<3>(&message).unwrap(), parts);
            assert_eq!(split::<2>(&message), None);
        }
        assert_eq!(join(&["运".repeat(100).as_str()]), None);
        assert_eq!(join(&[""]), None);
    }
}
