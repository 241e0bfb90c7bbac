//! The certificates that servers showed on the ways that were gone.

use crate::{
    cli::findings::{Findings, Line, Mark},
    exit::Exit,
    http::{Handshake, Refused},
    text,
};

/// Who renews certificates by hand wants to know so many days before they end.
const DAYS_MIN: i64 = 14;

/// One finding for each host that showed certificates.
pub(super) fn examine(handshakes: Vec<Handshake>, findings: &mut Findings) {
    for handshake in handshakes {
        let (mark, detail, advice) = match &handshake.refused {
            Some(why) => {
                let (why, advice) = refused(why, &handshake);
                (Mark::Failed, format!("refused: {why}"), advice)
            }
            None => trusted(&handshake),
        };
        let line = Line::new(("tls", "chain"), mark, detail, advice);
        // What fails for it has a finding of its own, which says how serious that is.
        findings.push(line.of(handshake.host).with(handshake.chain), Exit::Failed);
    }
}

fn trusted(handshake: &Handshake) -> (Mark, String, String) {
    let Handshake { root, is_own_root, chain, .. } = handshake;
    let whose = if *is_own_root { "of ca_file" } else { "of this host" };
    let good = format!("trusted by the root {root} {whose}");
    // A root that a server shows besides is good for nothing, and its end for as little.
    let signed = chain.iter().enumerate().filter(|(at, one)| *at == 0 || one.subject != one.issuer);
    match signed.map(|(_, one)| one).min_by_key(|one| one.not_after) {
        Some(first) if first.days_left < DAYS_MIN => {
            let left = match first.days_left {
                0 => "within a day".to_owned(),
                1 => "in 1 day".to_owned(),
                days => format!("in {days} days"),
            };
            let detail = format!("{good}, but {} ends {left}", first.subject);
            let advice = "Have it renewed: once it has ended, nothing goes that way any more.";
            (Mark::Warning, detail, advice.to_owned())
        }
        _ => (Mark::Ok, good, String::new()),
    }
}

/// Why, and what to do about it.
fn refused(why: &Refused, handshake: &Handshake) -> (String, String) {
    let Handshake { host, root, chain, .. } = handshake;
    let (why, advice) = match why {
        Refused::Expired => {
            let ended = chain.iter().filter(|one| one.days_left < 0);
            let which = ended.min_by_key(|one| one.not_after);
            let which = which.map_or("a certificate", |one| one.subject.as_str());
            let advice = "Have it renewed by whoever runs that host; or is this host's clock off?";
            (format!("{which} has ended"), advice)
        }
        Refused::NotYet => {
            ("a certificate does not count yet".to_owned(), "Is this host's clock off?")
        }
        Refused::SelfSigned => {
            let advice =
                "If it is that host's, name its file under ca_file; else somebody is in between.";
            ("it is signed by itself, and this host does not trust it".to_owned(), advice)
        }
        Refused::CaOnly => {
            let advice = "Make the server one without CA:TRUE, signed by this one or by itself, and name \
                          the signer's file under ca_file.";
            ("it is one for signing others (CA:TRUE), which no server may show".to_owned(), advice)
        }
        Refused::UnknownIssuer => {
            let advice = "If that root is your company's, name its file under ca_file. Is a certificate \
                          between the two missing? Then the server has to send it.";
            (format!("nobody here trusts {root}, who signed it"), advice)
        }
        Refused::WrongName(names) if names.is_empty() => {
            ("it is for no host name at all".to_owned(), "Have it made for this name.")
        }
        Refused::WrongName(names) => {
            let advice = "Write one of these names in the config, or have it made for this one.";
            (format!("it is for {}, not for {host}", names.join(", ")), advice)
        }
        Refused::Other(words) => {
            (text::clean(words, 300), "Ask whoever runs that host for another certificate.")
        }
    };
    (why, advice.to_owned())
}
