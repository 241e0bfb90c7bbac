//! What the fuzz targets call. Only a fuzzing build has it; see `fuzz/`.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    DeliveryQuery, FailureQuery, StoreError, archive,
    engine::Engine,
    kv::{Kv, Tree, Txn},
    memory::MemoryKv,
    migrate,
};

/// An archive, once as it is and once with checksums that fit.
pub fn archive(data: &[u8]) {
    drop(archive::fuzz(data, &mut |_, _, _| Ok(())));
    let (head, block) = data.split_at(data.len().min(12));
    let sealed = archive::fuzz_sealed(head, block);
    let mut kv = MemoryKv::default();
    let mut txn = Txn::new(&mut kv);
    let mut handed = 0;
    let read = archive::fuzz(&sealed, &mut |tree, key, value| {
        handed += 1;
        txn.put(tree, key, value);
        Ok(())
    });
    if let Ok(archived) = read {
        assert_eq!(archived.entries, handed, "every entry is handed on");
        drop(txn.commit());
        open(kv);
    }
}

/// What lies in a store: entries as in the block of an archive.
pub fn records(data: &[u8]) {
    let mut kv = MemoryKv::default();
    let mut txn = Txn::new(&mut kv);
    archive::fuzz_entries(data, &mut |tree, key, value| {
        txn.put(tree, key, value);
        Ok(())
    });
    // Those of another format are refused before anything is read.
    txn.put(Tree::Meta, b"format".to_vec(), migrate::newest().to_be_bytes().to_vec());
    drop(txn.commit());
    open(kv);
}

fn open(mut kv: MemoryKv) {
    let opened = migrate::migrate(&mut kv, &migrate::migrations(), "fuzz");
    let kv: Box<dyn Kv> = Box::new(kv);
    let Ok(mut engine) = opened.and_then(|()| Engine::open(kv, BTreeSet::new())) else { return };
    drop(use_all(&mut engine));
}

/// Everything that reads, and what writes after reading.
fn use_all(engine: &mut Engine) -> Result<(), StoreError> {
    let now = Timestamp::from_second(1_795_428_005).unwrap_or_default();
    drop(engine.read_all());
    drop(engine.reconcile());
    drop(engine.owed());
    drop(engine.failure_list(&FailureQuery { limit: 100, ..FailureQuery::default() }));
    drop(engine.delivery_list(&DeliveryQuery { limit: 100, ..DeliveryQuery::default() }));
    for source in engine.sources.keys().cloned().collect::<Vec<_>>() {
        drop(engine.ledger(&source));
        drop(engine.running(&source));
    }
    drop(engine.undispatched(100, now));
    drop(engine.waiting(now));
    for sink in engine.sinks.keys().cloned().collect::<Vec<_>>() {
        drop(engine.lease_due(&sink, now, 10));
        engine.revive(&sink, now)?;
    }
    engine.sweep(now).map(drop)
}
