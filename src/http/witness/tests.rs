use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};

use super::*;

const NOW: &str = "2026-11-23T10:00:00Z";

/// What is to be signed for `name`, good until the 28th of November 2026.
fn params(name: &str, is_ca: bool) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 11, 28);
    if is_ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params
}

fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

fn note(
    shown: &[&CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    refusal: Option<&rustls::Error>,
) -> Vec<Handshake> {
    let now: Timestamp = NOW.parse().unwrap();
    let now = std::time::Duration::try_from(now.duration_since(Timestamp::UNIX_EPOCH)).unwrap();
    let witness = Witness::default();
    for _ in 0..2 {
        let now = UnixTime::since_unix_epoch(now);
        witness.note(&Meeting { host: "kms.example", shown, roots, now, refusal });
    }
    witness.handshakes()
}

#[test]
fn a_chain_is_followed_from_the_server_to_the_root_and_noted_once() {
    let root = CertifiedIssuer::self_signed(params("root", true), key()).unwrap();
    let middle = CertifiedIssuer::signed_by(params("middle", true), key(), &root).unwrap();
    let leaf = params("kms.example", false).signed_by(&key(), &middle).unwrap();
    let stranger = CertifiedIssuer::self_signed(params("stranger", true), key()).unwrap();
    let roots = [root.der().clone()];
    let shown = [leaf.der(), stranger.der(), middle.der()];
    let [seen] = &note(&shown, &roots, None)[..] else { panic!("noted once") };
    let subjects: Vec<&str> = seen.chain.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(subjects, ["CN=kms.example", "CN=middle"]);
    assert_eq!((seen.root.as_str(), seen.is_own_root), ("CN=root", true));
    assert_eq!(seen.chain[0].issuer, "CN=middle");
    assert_eq!(seen.chain[0].not_after.to_string(), "2026-11-28T00:00:00Z");
    assert_eq!(seen.chain[0].days_left, 4);
    // With the root, which need not be shown, and without its being named as trusted.
    let [seen] = &note(&[leaf.der(), middle.der(), root.der()], &[], None)[..] else {
        panic!("noted once")
    };
    assert_eq!(seen.chain.len(), 3);
    assert_eq!((seen.root.as_str(), seen.is_own_root), ("CN=root", false));
}

#[test]
fn a_name_that_forges_lines_is_cleaned_and_what_is_no_certificate_is_left_out() {
    let leaf = params("a\u{1b}[2J\nb", false).self_signed(&key()).unwrap();
    let junk = CertificateDer::from(vec![0x30, 0x82, 0xff]);
    let [seen] = &note(&[leaf.der(), &junk], &[], None)[..] else { panic!("noted once") };
    assert_eq!(seen.chain.len(), 1);
    assert!(!seen.chain[0].subject.contains(['\u{1b}', '\n']), "{:?}", seen.chain);
    let [seen] = &note(&[&junk], &[], None)[..] else { panic!("noted once") };
    assert_eq!((seen.chain.len(), seen.root.as_str()), (0, ""));
}

#[test]
fn a_refusal_is_told_apart_by_its_cause() {
    let own = params("kms.example", false).self_signed(&key()).unwrap();
    let root = CertifiedIssuer::self_signed(params("root", true), key()).unwrap();
    let signed = params("kms.example", false).signed_by(&key(), &root).unwrap();
    let name = |name: &str| format!("DnsName(\"{name}\")");
    for (shown, why, expected) in [
        (own.der(), CertificateError::UnknownIssuer, Refused::SelfSigned),
        (signed.der(), CertificateError::UnknownIssuer, Refused::UnknownIssuer),
        (signed.der(), CertificateError::Expired, Refused::Expired),
        (signed.der(), CertificateError::NotValidYet, Refused::NotYet),
        (
            signed.der(),
            CertificateError::NotValidForNameContext {
                expected: "kms.example".try_into().unwrap(),
                presented: vec![name("a.example"), name("*.b.example")],
            },
            Refused::WrongName(vec!["a.example".to_owned(), "*.b.example".to_owned()]),
        ),
        (signed.der(), CertificateError::Revoked, Refused::Other("Revoked".to_owned())),
    ] {
        let error = rustls::Error::InvalidCertificate(why);
        let [seen] = &note(&[shown], &[], Some(&error))[..] else { panic!("noted once") };
        assert_eq!(seen.refused.as_ref(), Some(&expected));
    }
}
