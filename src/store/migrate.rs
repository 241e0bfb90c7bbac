//! Brings a store to the format of this version.

use serde::Deserialize;

use super::{
    StoreError,
    kv::{Kv, Tree, Txn},
};

/// Key of the format's number in [`Tree::Meta`].
const STAMP: &[u8] = b"format";

/// One step from the format before.
pub(super) struct Migration {
    /// The format that it leads to.
    pub(super) format: u32,
    /// Rewrites what has to be, within the transaction that moves the stamp.
    pub(super) rewrite: Option<Rewrite>,
}

/// Rewrites the data of one format into that of the next.
pub(super) type Rewrite = fn(&mut Txn<'_>) -> Result<(), StoreError>;

#[derive(Deserialize)]
struct Declared {
    format: u32,
}

/// Every step, ascending, from the files in `migrations/`.
pub(super) fn migrations() -> Vec<Migration> {
    let files: [(&str, Option<Rewrite>); 1] =
        [(include_str!("../../migrations/0001_initial.toml"), None)];
    files
        .into_iter()
        .map(|(text, rewrite)| Migration {
            format: toml::from_str::<Declared>(text)
                .expect("a test reads every file of migrations/")
                .format,
            rewrite,
        })
        .collect()
}

/// The newest format that this version knows.
pub(super) fn newest() -> u32 {
    migrations().last().map_or(0, |newest| newest.format)
}

/// The format of a store; `None` if it is fresh.
pub(super) fn format_of(kv: &dyn Kv) -> Result<Option<u32>, StoreError> {
    let Some(bytes) = kv.get(Tree::Meta, STAMP)? else { return Ok(None) };
    match bytes.as_slice().try_into() {
        Ok(bytes) => Ok(Some(u32::from_be_bytes(bytes))),
        Err(_) => Err(StoreError::Damaged { what: "the format stamp".into(), cause: None }),
    }
}

/// Stamps a fresh store, walks an older one up, refuses a newer one. `path` is for the message.
pub(super) fn migrate(
    kv: &mut dyn Kv,
    migrations: &[Migration],
    path: &str,
) -> Result<(), StoreError> {
    let known = migrations.last().map_or(0, |newest| newest.format);
    let Some(found) = format_of(kv)? else {
        let mut txn = Txn::new(kv);
        txn.put(Tree::Meta, STAMP.to_vec(), known.to_be_bytes().to_vec());
        return txn.commit();
    };
    if known < found {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    for step in migrations.iter().filter(|step| found < step.format) {
        let mut txn = Txn::new(kv);
        if let Some(rewrite) = step.rewrite {
            rewrite(&mut txn)?;
        }
        txn.put(Tree::Meta, STAMP.to_vec(), step.format.to_be_bytes().to_vec());
        txn.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::memory::MemoryKv, *};

    fn steps() -> Vec<Migration> {
        let rewrite: Rewrite = |txn| {
            txn.put(Tree::Meta, b"rewritten".to_vec(), vec![1]);
            Ok(())
        };
        vec![
            Migration { format: 1, rewrite: None },
            Migration { format: 2, rewrite: Some(rewrite) },
        ]
    }

    #[test]
    fn a_fresh_store_is_stamped_and_nothing_is_rewritten() {
        let mut kv = MemoryKv::default();
        migrate(&mut kv, &steps(), "store").unwrap();
        assert_eq!(kv.get(Tree::Meta, STAMP).unwrap(), Some(vec![0, 0, 0, 2]));
        assert_eq!(kv.get(Tree::Meta, b"rewritten").unwrap(), None);
    }

    #[test]
    fn an_older_store_walks_up() {
        let mut kv = MemoryKv::default();
        migrate(&mut kv, &migrations(), "store").unwrap();
        migrate(&mut kv, &steps(), "store").unwrap();
        assert_eq!(kv.get(Tree::Meta, STAMP).unwrap(), Some(vec![0, 0, 0, 2]));
        assert_eq!(kv.get(Tree::Meta, b"rewritten").unwrap(), Some(vec![1]));
    }

    #[test]
    fn a_newer_store_is_refused_with_both_versions() {
        let mut kv = MemoryKv::default();
        migrate(&mut kv, &steps(), "store").unwrap();
        let error = migrate(&mut kv, &migrations(), "store").unwrap_err().to_string();
        assert!(error.contains("has format 2") && error.contains("formats up to 1"), "{error}");
    }

    #[test]
    fn every_step_is_one_format_up() {
        for (step, expected) in migrations().iter().zip(1..) {
            assert_eq!(step.format, expected);
        }
    }
}
