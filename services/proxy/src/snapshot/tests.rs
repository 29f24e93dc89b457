use std::{os::unix::fs::PermissionsExt as _, sync::Arc, time::Instant};

use maas_events::state::{KeyState, KeyStatus};
use maas_revocation::{Mark, OwnerName};
use maas_types::Timestamp;
use prost::Message as _;
use tempfile::TempDir;
use uuid::Uuid;

use super::*;
use crate::{
    metrics::ProxyMetrics,
    revocation::cutting::Cutter,
    routing::{HealthTable, RoutingSettings},
    state::{State, credential::CredentialSource, upstream::UpstreamSource},
};

const BASE62: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn public_id(number: u64) -> String {
    let digit = |place: u32| BASE62[usize::try_from(number / 62_u64.pow(place) % 62).unwrap()];
    (0..16).map(|place| char::from(if place < 10 { digit(place) } else { b'0' })).collect()
}

fn key(number: u64, version: u64) -> bytes::Bytes {
    let state = KeyState {
        id: bytes::Bytes::copy_from_slice(Uuid::from_u128(u128::from(number)).as_bytes()),
        version,
        public_id: public_id(number),
        secret_mac: bytes::Bytes::from_static(&[3; 32]),
        owner_id: bytes::Bytes::from_static(&[2; 16]),
        status: KeyStatus::Active.into(),
        all_models: true,
        name: "a name of a usual length".to_owned(),
        ..KeyState::default()
    };
    state.encode_to_vec().into()
}

struct Reader {
    state: Arc<State>,
    applier: Arc<Applier>,
}

impl Reader {
    fn new() -> Self {
        let process = Process::new().unwrap();
        let (state, metrics) = (Arc::new(State::new()), Arc::new(ProxyMetrics::register(&process.metrics).unwrap()));
        let credentials = CredentialSource { variables: Vec::new(), folder: PathBuf::new(), sealing: None };
        let health = Arc::new(HealthTable::new(RoutingSettings::default(), Instant::now()));
        let upstreams = UpstreamSource { credentials, ca_dir: PathBuf::new(), health };
        let applier = Applier::new(state.clone(), metrics, upstreams, Arc::new(Cutter::default()), &process);
        Self { state, applier: Arc::new(applier) }
    }

    fn version(&self, number: u64) -> Option<u64> {
        self.state.keys.version_of(&public_id(number).parse().unwrap())
    }

    fn open(&self, folder: &TempDir) -> (OpenFile, Option<Checkpoint>) {
        open_and_read(folder.path(), &self.applier).unwrap()
    }
}

fn checkpoint(counter: u64) -> Checkpoint {
    let mark = Mark { epoch: Uuid::from_u128(9), counter };
    let reached = Reached { owner: OwnerName::Keys, mark, confirmed_at: Timestamp::from_unix_ms(1_000) };
    Checkpoint { owners: vec![format::owner_reached(&reached)], complete: vec!["keys".to_owned()] }
}

/// A file with a checkpoint behind each part.
fn written(parts: &[Vec<bytes::Bytes>]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = format::HEADER.to_vec();
    for (values, counter) in parts.iter().zip(1..) {
        format::write_values(&mut bytes, Bucket::Keys, values).unwrap();
        format::write_checkpoint(&mut bytes, &checkpoint(counter)).unwrap();
    }
    std::fs::write(folder.path().join(FILE), bytes).unwrap();
    folder
}

#[test]
fn what_was_written_is_taken_over_with_its_last_checkpoint() {
    let folder = written(&[vec![key(1, 1), key(2, 1)], vec![key(1, 2)]]);
    let reader = Reader::new();
    let (_, found) = reader.open(&folder);
    assert_eq!((reader.version(1), reader.version(2)), (Some(2), Some(1)));
    let resumed = resumed(found.unwrap());
    assert_eq!(resumed.reached[0].mark.counter, 2);
    assert_eq!(resumed.complete, [Bucket::Keys]);
}

#[test]
fn a_torn_end_is_cut_off_and_its_checkpoint_not_believed() {
    let folder = written(&[vec![key(1, 1)], vec![key(2, 1)]]);
    let path = folder.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    for torn in 1..40 {
        std::fs::write(&path, &whole[..whole.len() - torn]).unwrap();
        let reader = Reader::new();
        let (file, found) = reader.open(&folder);
        assert_eq!(resumed(found.unwrap()).reached[0].mark.counter, 1, "{torn}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), file.length);
    }
}

#[test]
fn a_flipped_bit_ends_what_is_believed() {
    let folder = written(&[vec![key(1, 1)], vec![key(2, 1)]]);
    let path = folder.path().join(FILE);
    let whole = std::fs::read(&path).unwrap();
    for position in format::HEADER.len()..whole.len() {
        let mut damaged = whole.clone();
        damaged[position] ^= 0x10;
        std::fs::write(&path, damaged).unwrap();
        let (_, found) = Reader::new().open(&folder);
        let counter = found.map_or(0, |checkpoint| checkpoint.owners[0].counter);
        assert!(counter < 2, "the damage at {position} went unnoticed");
    }
}

#[test]
fn a_file_of_another_version_holds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE), b"MAASSTAT\x02\0\0\0 and something").unwrap();
    let (file, found) = Reader::new().open(&folder);
    assert!(found.is_none() && file.length == 0);
}

#[test]
fn one_process_writes_and_nobody_else_reads() {
    let folder = tempfile::tempdir().unwrap();
    let (file, _) = Reader::new().open(&folder);
    assert_eq!(file.file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let second = open_and_read(folder.path(), &Reader::new().applier);
    assert!(matches!(second, Err(SnapshotError::InUse(_))));
}

#[test]
fn written_anew_it_holds_what_counts_and_nothing_else() {
    let folder = written(&[(1..500).map(|number| key(number, 1)).collect(), vec![key(1, 2)], vec![key(1, 3)]]);
    let reader = Reader::new();
    let (old, _) = reader.open(&folder);
    let new = compaction::compact(&old, &reader.applier, &checkpoint(7)).unwrap();
    assert!(new.length < old.length);
    drop((old, new));
    let again = Reader::new();
    let (_, found) = again.open(&folder);
    assert_eq!((again.version(1), again.version(499)), (Some(3), Some(1)));
    assert_eq!(resumed(found.unwrap()).reached[0].mark.counter, 7);
}
