//! A store as one file: versioned, checksummed, written and read in one pass.
//!
//! ```text
//! header   "taskbell-archive", version, format of the store, time in ms, CRC-32 of these
//! block *  length, CRC-32, entries: tree, key and value, each behind its length
//! end      length 0, number of entries, SHA-256 of all before it
//! ```
//!
//! Numbers are big endian. What is cut short, changed or put together from parts of others is
//! refused before anybody relies on it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    ops::ControlFlow,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    StoreError,
    kv::{Kv, Tree, Txn},
    migrate,
    neighbours::beside,
};
use crate::{failpoint, progress::Meter};

const MAGIC: &[u8; 16] = b"taskbell-archive";

/// Version of the archive itself. That of the store is another number.
const VERSION: u32 = 1;

/// Length of the header, without its checksum.
const HEAD_BYTES: usize = 32;

/// A block is ended above this.
const BLOCK_BYTES: usize = 64 * 1024;

/// Largest block that is read. One entry is at most some pages, so this is never reached by ours.
const BLOCK_BYTES_MAX: u32 = 4 * 1024 * 1024;

/// What an archive holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Archived {
    /// When it was made.
    pub made_at: Timestamp,
    /// The format of the store that it was made of.
    pub format: u32,
    /// Keys with their values; 0 where only its header was read.
    pub entries: u64,
    /// Its size.
    pub bytes: u64,
}

/// Counts and hashes what passes.
struct Summed<T> {
    inner: T,
    hash: Sha256,
    bytes: u64,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    fn note(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    }
}

impl<T: Write> Summed<T> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.note(bytes);
        self.inner.write_all(bytes)
    }

    fn block(&mut self, body: &[u8]) -> io::Result<()> {
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        self.put(&length.to_be_bytes())?;
        self.put(&crc32fast::hash(body).to_be_bytes())?;
        self.put(body)
    }
}

impl<T: Read> Summed<T> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.inner.read_exact(&mut bytes)?;
        self.note(&bytes);
        Ok(bytes)
    }
}

/// Writes an archive of `kv` to `path`: whole and on disk, or not at all. Only its owner can read
/// it.
pub(super) fn write(kv: &dyn Kv, path: &Path, made_at: Timestamp) -> Result<Archived, StoreError> {
    let cannot = |error| StoreError::not_durable(format!("cannot write {}", path.display()), error);
    let format = migrate::format_of(kv)?.unwrap_or_default();
    let unfinished = beside(path, ".new");
    // Made anew, never opened: in a folder that others can write to, what has this name may be a
    // link to another file of ours.
    drop(fs::remove_file(&unfinished));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(cannot)?;
    let mut out = Summed::new(BufWriter::with_capacity(BLOCK_BYTES, file));
    let head = [
        MAGIC.as_slice(),
        &VERSION.to_be_bytes(),
        &format.to_be_bytes(),
        &made_at.as_millisecond().to_be_bytes(),
    ]
    .concat();
    out.put(&head).and_then(|()| out.put(&crc32fast::hash(&head).to_be_bytes())).map_err(cannot)?;
    let mut block = Vec::with_capacity(2 * BLOCK_BYTES);
    let mut entries = 0_u64;
    for tree in Tree::ALL {
        kv.scan(tree, &[], &mut |key, value| {
            for part in [tree.name().as_bytes(), key, value] {
                let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
                block.extend_from_slice(&length.to_be_bytes());
                block.extend_from_slice(part);
            }
            entries += 1;
            if BLOCK_BYTES <= block.len() {
                out.block(&block).map_err(cannot)?;
                block.clear();
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    let finished = (|| {
        if !block.is_empty() {
            out.block(&block)?;
        }
        out.put(&0_u32.to_be_bytes())?;
        out.put(&entries.to_be_bytes())?;
        let sum = out.hash.clone().finalize();
        out.put(&sum)?;
        out.inner.flush()?;
        out.inner.get_ref().sync_all()?;
        failpoint::hit("copy.before_rename");
        fs::rename(&unfinished, path)?;
        failpoint::hit("copy.after_rename");
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    })();
    finished.map_err(cannot)?;
    Ok(Archived { made_at, format, entries, bytes: out.bytes })
}

/// Reads an archive from its beginning to its end, handing over each entry.
///
/// # Errors
///
/// [`StoreError::Damaged`] at the first thing that is wrong. What was handed over before that
/// must not be used.
pub(super) fn read(
    path: &Path,
    meter: &Meter,
    each: &mut Each<'_>,
) -> Result<Archived, StoreError> {
    let (from, header) = begin(path)?;
    entries(from, header, Said(path), meter, each)
}

/// Takes a tree, a key and a value.
pub(super) type Each<'a> = dyn FnMut(Tree, Vec<u8>, Vec<u8>) -> Result<(), StoreError> + 'a;

/// Reads what is behind the header.
fn entries(
    mut from: Summed<impl Read>,
    header: Archived,
    said: Said<'_>,
    meter: &Meter,
    each: &mut Each<'_>,
) -> Result<Archived, StoreError> {
    let short = |error| said.short(error);
    let Archived { made_at, format, bytes, .. } = header;
    let known = migrate::newest();
    if known < format {
        let path = said.0.display().to_string();
        return Err(StoreError::Newer { path, found: format, known });
    }
    let work = meter.begin("KiB", bytes / 1024);
    let mut count = 0_u64;
    let mut block = Vec::new();
    for nth in 1_u64.. {
        let length = u32::from_be_bytes(from.take().map_err(short)?);
        if length == 0 {
            break;
        }
        let broken = || said.damaged(&format!("block {nth} fails its checksum"));
        if BLOCK_BYTES_MAX < length {
            return Err(broken());
        }
        let sum = u32::from_be_bytes(from.take().map_err(short)?);
        block.resize(usize::try_from(length).unwrap_or_default(), 0);
        from.inner.read_exact(&mut block).map_err(short)?;
        from.note(&block);
        if crc32fast::hash(&block) != sum {
            return Err(broken());
        }
        work.add(u64::from(length) / 1024);
        let mut rest = block.as_slice();
        while !rest.is_empty() {
            let (tree, key, value) = entry(&mut rest).map_err(|_| broken())?;
            let tree = tree_of(tree)
                .ok_or_else(|| said.damaged(&format!("block {nth} names an unknown tree")))?;
            each(tree, key.to_vec(), value.to_vec())?;
            count += 1;
        }
    }
    let counted = u64::from_be_bytes(from.take().map_err(short)?);
    let expected = from.hash.clone().finalize();
    let sum: [u8; 32] = from.take().map_err(short)?;
    if sum.as_slice() != expected.as_slice() || counted != count {
        return Err(said.damaged("the archive fails its checksum"));
    }
    Ok(Archived { made_at, format, entries: count, bytes: from.bytes })
}

/// What the header of the archive at `path` says, and the size of the file. The rest is not read.
pub(super) fn head(path: &Path) -> Result<Archived, StoreError> {
    begin(path).map(|(_, header)| header)
}

/// Opens an archive and reads its header.
fn begin(path: &Path) -> Result<(Summed<BufReader<File>>, Archived), StoreError> {
    let said = Said(path);
    let file = File::open(path).map_err(|error| said.cannot("open", error))?;
    let bytes = file.metadata().map_err(|error| said.cannot("open", error))?.len();
    let mut from = Summed::new(BufReader::with_capacity(BLOCK_BYTES, file));
    let header = header(&mut from, bytes, said)?;
    Ok((from, header))
}

fn header(
    from: &mut Summed<impl Read>,
    bytes: u64,
    said: Said<'_>,
) -> Result<Archived, StoreError> {
    let head: [u8; HEAD_BYTES] = from.take().map_err(|error| said.short(error))?;
    let sum = u32::from_be_bytes(from.take().map_err(|error| said.short(error))?);
    let mut rest = head.as_slice();
    if take(&mut rest).ok() != Some(*MAGIC) {
        return Err(said.damaged("this is no archive of taskbell"));
    }
    if crc32fast::hash(&head) != sum {
        return Err(said.damaged("the header fails its checksum"));
    }
    let header = (|| {
        let version = u32::from_be_bytes(take(&mut rest)?);
        let format = u32::from_be_bytes(take(&mut rest)?);
        Ok((version, format, i64::from_be_bytes(take(&mut rest)?)))
    })();
    let (version, format, made_at) = header.map_err(|error| said.short(error))?;
    if version != VERSION {
        let text = format!("archive version {version} is newer than {VERSION}");
        return Err(said.damaged(&text));
    }
    let made_at = Timestamp::from_millisecond(made_at)
        .map_err(|_| said.damaged("it was made at no time that there is"))?;
    Ok(Archived { made_at, format, entries: 0, bytes })
}

/// Errors about one archive.
#[derive(Clone, Copy)]
struct Said<'a>(&'a Path);

impl Said<'_> {
    fn damaged(self, what: &str) -> StoreError {
        StoreError::Damaged { what: format!("{}: {what}", self.0.display()), cause: None }
    }

    fn cannot(self, what: &str, error: io::Error) -> StoreError {
        StoreError::unreadable(format!("cannot {what} {}", self.0.display()), error)
    }

    fn short(self, error: io::Error) -> StoreError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.damaged("the archive ends before its end"),
            _ => self.cannot("read", error),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    rest.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A tree's name, a key and a value.
fn entry<'a>(rest: &mut &'a [u8]) -> io::Result<(&'a [u8], &'a [u8], &'a [u8])> {
    Ok((part(rest)?, part(rest)?, part(rest)?))
}

fn tree_of(name: &[u8]) -> Option<Tree> {
    Tree::ALL.into_iter().find(|known| known.name().as_bytes() == name)
}

fn part<'a>(rest: &mut &'a [u8]) -> io::Result<&'a [u8]> {
    let length = u32::from_be_bytes(take(rest)?);
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let (part, behind) = rest.split_at_checked(length).ok_or(io::ErrorKind::UnexpectedEof)?;
    *rest = behind;
    Ok(part)
}

/// Fills `kv` with what the archive at `path` holds.
pub(super) fn load(kv: &mut dyn Kv, path: &Path, meter: &Meter) -> Result<Archived, StoreError> {
    let mut txn = Txn::new(kv);
    let archived = read(path, meter, &mut |tree, key, value| {
        txn.put(tree, key, value);
        if txn.is_large() { txn.commit() } else { Ok(()) }
    })?;
    txn.commit()?;
    Ok(archived)
}

/// Hands over the entries of a block without its checksum, as far as they can be read.
#[cfg(fuzzing)]
pub(super) fn fuzz_entries(mut rest: &[u8], each: &mut Each<'_>) {
    while let Ok((tree, key, value)) = entry(&mut rest) {
        if let Some(tree) = tree_of(tree) {
            drop(each(tree, key.to_vec(), value.to_vec()));
        }
    }
}

/// Reads an archive that is not in a file.
#[cfg(fuzzing)]
pub(super) fn fuzz(bytes: &[u8], each: &mut Each<'_>) -> Result<Archived, StoreError> {
    let said = Said(Path::new("archive"));
    let mut from = Summed::new(bytes);
    let header = header(&mut from, 0, said)?;
    entries(from, header, said, &Meter::default(), each)
}

/// An archive whose checksums fit: a header that says `head`, and one block.
#[cfg(fuzzing)]
pub(super) fn fuzz_sealed(head: &[u8], block: &[u8]) -> Vec<u8> {
    let mut bytes = [MAGIC.as_slice(), &VERSION.to_be_bytes(), head].concat();
    bytes.resize(HEAD_BYTES, 0);
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    let mut count = 0_u64;
    let mut rest = block;
    while !rest.is_empty() && entry(&mut rest).is_ok() {
        count += 1;
    }
    let mut out = Summed::new(bytes.clone());
    out.note(&bytes);
    if !block.is_empty() {
        out.block(block).expect("memory takes all");
    }
    out.put(&0_u32.to_be_bytes()).and_then(|()| out.put(&count.to_be_bytes())).expect("the same");
    let sum = out.hash.clone().finalize();
    out.put(&sum).expect("the same");
    out.inner
}

#[cfg(test)]
mod tests {
    use super::{super::memory::MemoryKv, *};

    fn filled() -> MemoryKv {
        let mut kv = MemoryKv::default();
        migrate::migrate(&mut kv, &migrate::migrations(), "store").unwrap();
        let mut txn = Txn::new(&mut kv);
        for number in 0_u64..3_000 {
            let value = vec![u8::try_from(number % 251).unwrap(); 40];
            txn.put(Tree::Failure, number.to_be_bytes().to_vec(), value);
        }
        txn.put(Tree::Seed, Vec::new(), Vec::new());
        txn.commit().unwrap();
        kv
    }

    fn all(kv: &MemoryKv) -> Vec<(Tree, Vec<u8>, Vec<u8>)> {
        let mut all = Vec::new();
        for tree in Tree::ALL {
            kv.scan(tree, &[], &mut |key, value| {
                all.push((tree, key.to_vec(), value.to_vec()));
                Ok(ControlFlow::Continue(()))
            })
            .unwrap();
        }
        all
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        let kv = filled();
        let written = write(&kv, &path, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(written.bytes, fs::metadata(&path).unwrap().len());
        let mut copy = MemoryKv::default();
        assert_eq!(load(&mut copy, &path, &Meter::default()).unwrap(), written);
        assert_eq!(all(&copy), all(&kv));
    }

    #[test]
    fn an_archive_that_is_cut_or_changed_anywhere_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        write(&filled(), &path, Timestamp::UNIX_EPOCH).unwrap();
        let good = fs::read(&path).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let error = read(&path, &Meter::default(), &mut |_, _, _| Ok(())).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        };
        for length in [0, 10, 31, 36, 40, 70_000, good.len() - 1] {
            refused(good.get(..length).unwrap());
        }
        for at in (0..good.len()).step_by(997).chain(good.len() - 44..good.len()) {
            let mut bad = good.clone();
            if let Some(byte) = bad.get_mut(at) {
                *byte ^= 0x10;
            }
            refused(&bad);
        }
    }

    #[test]
    fn one_of_a_newer_store_is_refused_with_both_formats() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("archive");
        let mut kv = filled();
        let mut txn = Txn::new(&mut kv);
        txn.put(Tree::Meta, b"format".to_vec(), 99_u32.to_be_bytes().to_vec());
        txn.commit().unwrap();
        write(&kv, &path, Timestamp::UNIX_EPOCH).unwrap();
        let error = read(&path, &Meter::default(), &mut |_, _, _| Ok(())).unwrap_err().to_string();
        assert!(error.contains("has format 99"), "{error}");
    }
}
