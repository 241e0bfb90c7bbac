//! One notice of each kind.

use taskbell::notice::{Notice, NoticeKind};

use super::examples;

/// The first example of every [`NoticeKind`], under the kind's name.
pub(crate) fn all() -> Vec<(&'static str, Notice)> {
    let examples = examples::all();
    let first = |kind: NoticeKind| {
        let found = examples.iter().find(|(_, notice)| notice.kind == kind);
        let mut notice = found.unwrap().1.clone();
        if let Some(trouble) = &mut notice.trouble {
            // What formats have to escape.
            trouble.detail = String::from(r#"answered 401 Unauthorized: "no\such] key""#);
        }
        (kind.as_str(), notice)
    };
    NoticeKind::ALL.into_iter().map(first).collect()
}
